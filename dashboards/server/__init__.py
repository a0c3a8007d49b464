"""Web application and its server."""
