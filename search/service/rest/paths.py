"""Where the interface lies."""

PREFIX = "/api/v1"
