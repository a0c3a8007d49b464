"""ResponseCache: responses about a study, kept until the study changes."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from pydantic import BaseModel

from gatefront.search.service.rest.asgi import Asgi, Message, Receive, Scope, Send

_MOST_BYTES = 64 * 1024 * 1024
_FRESH_S = 0.25
_NUM_LOCKS = 64
# Threads share Python's lock in turns of milliseconds. Many of them would delay requests for cached bytes.
_NUM_MAKERS = 3

Make = Callable[[], BaseModel | bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """Cached bytes, their revision, and the time until which the revision is not checked again."""

    revision: str
    content: bytes
    fresh_until: float

    @property
    def size(self) -> int:
        return len(self.content)


class ResponseCache:
    """Cache of the latest responses as bytes. Thread-safe.

    It checks a study for changes at most four times a second, however many requests come. :meth:`forget` is called for
    changes made here, so that their authors read them at once. One thread makes a response, and others that need the
    same one wait for it.
    """

    def __init__(self, *, most_bytes: int = _MOST_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._makers = CapacityLimiter(_NUM_MAKERS)
        self._making = [threading.Lock() for _ in range(_NUM_LOCKS)]
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._size = 0
        self._num_changes = 0

    async def reply(
        self, request: Request, revision: Callable[[], str], make: Make, *, media_type: str = "application/json"
    ) -> Response:
        """Return the response to this request. Remake it if the revision has changed; send 304 if the client has it."""
        address = f"{request.url.path}?{request.url.query}"
        kept = self._find(address)
        if kept is None or self._clock() > kept.fresh_until:
            kept = await to_thread.run_sync(self._renew, address, revision, make, limiter=self._makers)
        headers = {"ETag": f'"{kept.revision}"', "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(kept.content, media_type=media_type, headers=headers)

    def forget(self) -> None:
        """Drop all responses after a change, so that the next request reads it."""
        with self._lock:
            self._num_changes += 1
            self._kept.clear()
            self._size = 0

    def _renew(self, address: str, revision: Callable[[], str], make: Make) -> Kept:
        with self._making[hash(address) % _NUM_LOCKS]:
            kept = self._find(address)
            if kept is not None and self._clock() <= kept.fresh_until:
                return kept
            with self._lock:
                before = self._num_changes
            # The revision is read before the response is made, so the next check sees a change in between.
            current = revision()
            content = kept.content if kept is not None and kept.revision == current else _bytes(make())
            renewed = Kept(current, content, self._clock() + _FRESH_S)
            with self._lock:
                if before == self._num_changes:
                    self._keep(address, renewed)
            return renewed

    def _find(self, address: str) -> Kept | None:
        with self._lock:
            return self._kept.get(address)

    def _keep(self, address: str, kept: Kept) -> None:
        old = self._kept.pop(address, None)
        self._size += kept.size - (0 if old is None else old.size)
        self._kept[address] = kept
        while self._size > self._most_bytes and self._kept:
            _, dropped = self._kept.popitem(last=False)
            self._size -= dropped.size


class ForgetAfterChanges:
    """ASGI middleware that empties the cache of responses after each request that may have changed something."""

    def __init__(self, app: Asgi, cache: ResponseCache) -> None:
        self._app = app
        self._cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return

        async def forget_first(message: Message) -> None:
            # The cache is emptied before the response is sent, as the client may send its next request at once.
            self._cache.forget()
            await send(message)

        await self._app(scope, receive, forget_first)


def _bytes(made: BaseModel | bytes) -> bytes:
    return made if isinstance(made, bytes) else made.model_dump_json().encode()
