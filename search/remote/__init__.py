"""Using a service from elsewhere: what `--server URL` does."""

from search.remote.client import Client, RemoteFailedError, RemoteRefusedError
from search.remote.pulling import pull_remote
from search.remote.reader import RemoteReader

__all__ = ["Client", "RemoteFailedError", "RemoteReader", "RemoteRefusedError", "pull_remote"]
