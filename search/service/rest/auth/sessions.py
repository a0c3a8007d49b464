"""Sessions: logins with a browser."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from gatefront.search.service.rest.auth.principal import Principal
from gatefront.search.service.rest.auth.tokens import hash_token

COOKIE = "gatefront_session"
LIFETIME_S = 12 * 3600
_MOST = 1000


class Sessions:
    """Login sessions, which end with the service. Only hashes of the cookies are kept. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    def begin(self, caller: Principal) -> str:
        """Return a new session's secret. End the oldest session if there are too many."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._open[hash_token(secret)] = caller, self._clock() + LIFETIME_S
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        return secret

    def find(self, secret: str) -> Principal | None:
        """Return the principal of a session; None if there is none or it has expired."""
        key = hash_token(secret)
        with self._lock:
            caller, end = self._open.get(key, (None, 0.0))
            if caller is not None and self._clock() > end:
                del self._open[key]
                return None
            return caller

    def end(self, secret: str) -> None:
        with self._lock:
            self._open.pop(hash_token(secret), None)
