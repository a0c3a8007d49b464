"""The web application and its server."""
