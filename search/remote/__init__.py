"""Using a service from elsewhere: what `--server URL` does."""

from gatefront.search.remote.client import Client, RemoteFailedError, RemoteRefusedError
from gatefront.search.remote.pulling import pull_remote
from gatefront.search.remote.reader import RemoteReader

__all__ = ["Client", "RemoteFailedError", "RemoteReader", "RemoteRefusedError", "pull_remote"]
