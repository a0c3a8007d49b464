"""The types of ASGI, and a request body that is read no further than allowed."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyTooLargeError(Exception):
    """A client sent more than it may. Ends the request; no client is told more."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name, which is in small letters."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return None


def bounded(receive: Receive, most_bytes: int) -> Receive:
    """The same body; :class:`BodyTooLargeError` as soon as it is longer."""
    size = 0

    async def read() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most_bytes:
            raise BodyTooLargeError
        return message

    return read
