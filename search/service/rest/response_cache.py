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
# Threads take turns of milliseconds at Python's lock: with many of them, whoever only wants kept bytes waits for all.
_NUM_MAKERS = 3

Make = Callable[[], BaseModel | bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """The bytes that were sent, of which revision, and until when nobody needs to ask whether that has changed."""

    revision: str
    content: bytes
    fresh_until: float

    @property
    def size(self) -> int:
        return len(self.content)


class ResponseCache:
    """The latest replies, as the bytes they were. Thread-safe.

    A study is looked at for changes four times a second, however many ask; :meth:`forget` is for what is changed here,
    so that everybody reads what he has changed. One thread makes a reply, others that want it wait for that one.
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
        """The reply to this address: made anew only if the revision has changed, not sent if the client has it."""
        address = f"{request.url.path}?{request.url.query}"
        kept = self._find(address)
        if kept is None or self._clock() > kept.fresh_until:
            kept = await to_thread.run_sync(self._renew, address, revision, make, limiter=self._makers)
        headers = {"ETag": f'"{kept.revision}"', "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(kept.content, media_type=media_type, headers=headers)

    def forget(self) -> None:
        """Something was changed: look again before the next reply."""
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
            # Read before the reply is: what changes between the two is seen the next time.
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
    """ASGI middleware: once a request that may have changed something is done, replies are looked at anew."""

    def __init__(self, app: Asgi, replies: ResponseCache) -> None:
        self._app = app
        self._replies = replies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return

        async def forget_first(message: Message) -> None:
            # Before the answer is heard: who hears it may ask at once.
            self._replies.forget()
            await send(message)

        await self._app(scope, receive, forget_first)


def _bytes(made: BaseModel | bytes) -> bytes:
    return made if isinstance(made, bytes) else made.model_dump_json().encode()
