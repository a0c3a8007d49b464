"""The JSON documents of the HTTP interface."""
