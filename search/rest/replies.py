"""Replies: what was sent of a study, kept until the study changes."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Request, Response
from pydantic import BaseModel

_MOST_BYTES = 64 * 1024 * 1024


class Replies:
    """The latest replies, as the bytes they were. Thread-safe."""

    def __init__(self, *, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._size = 0

    def reply(self, request: Request, revision: str, make: Callable[[], BaseModel]) -> Response:
        """The reply to this address at this revision: made anew only if it has changed, not sent if the client has it.

        ``revision`` is read before ``make`` reads: what changes between the two is made again the next time.
        """
        address = f"{request.url.path}?{request.url.query}"
        tag = f'"{revision}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        content = self._find(address, revision)
        if content is None:
            content = make().model_dump_json().encode()
            self._keep(address, revision, content)
        return Response(content, media_type="application/json", headers=headers)

    def _find(self, address: str, revision: str) -> bytes | None:
        with self._lock:
            found = self._kept.get(address)
            if found is None or found[0] != revision:
                return None
            self._kept.move_to_end(address)
            return found[1]

    def _keep(self, address: str, revision: str, content: bytes) -> None:
        with self._lock:
            old = self._kept.pop(address, None)
            self._size += len(content) - (0 if old is None else len(old[1]))
            self._kept[address] = (revision, content)
            while self._size > self._most_bytes and self._kept:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._size -= len(dropped)
