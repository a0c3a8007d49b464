"""Client of a service elsewhere, for `--server URL`."""

from typing import TYPE_CHECKING

from gatefront.spaces.lazy_names import lazy_names

if TYPE_CHECKING:
    from gatefront.search.service.client.client import Client, RemoteFailedError, RemoteRefusedError
    from gatefront.search.service.client.download import pull_remote
    from gatefront.search.service.client.remote_reader import RemoteReader
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "Client": "client",
            "RemoteFailedError": "client",
            "RemoteReader": "remote_reader",
            "RemoteRefusedError": "client",
            "pull_remote": "download",
        },
    )

__all__ = ["Client", "RemoteFailedError", "RemoteReader", "RemoteRefusedError", "pull_remote"]
