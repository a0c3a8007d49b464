"""The HTTP interface under ``/api/v1``: what the command line does, for programs of any kind."""

from search.rest.app import create_rest
from search.rest.caller import Caller

__all__ = ["Caller", "create_rest"]
