"""Client of a service elsewhere, for `--server URL`."""

from gatefront.search.service.client.client import Client, RemoteFailedError, RemoteRefusedError
from gatefront.search.service.client.download import pull_remote
from gatefront.search.service.client.remote_reader import RemoteReader

__all__ = ["Client", "RemoteFailedError", "RemoteReader", "RemoteRefusedError", "pull_remote"]
