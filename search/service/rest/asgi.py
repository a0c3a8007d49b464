"""Address of the HTTP interface, types of ASGI, and a reader of request bodies with a limit."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

PREFIX = "/api/v1"
"""Path of the HTTP interface."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyTooLargeError(Exception):
    """Error for a request body over the limit. It ends the request, and the client learns nothing more."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of that name, which must be in lower case; None if there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return None


async def read_body(receive: Receive, most_bytes: int) -> bytes:
    """Read the whole body. Raise :class:`BodyTooLargeError` as soon as it exceeds the limit, so no more is kept."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = bytes(message.get("body", b""))
        size += len(part)
        if size > most_bytes:
            raise BodyTooLargeError
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``Receive`` that yields the body that was read already, then further messages."""
    is_first = True

    async def read() -> Message:
        nonlocal is_first
        if is_first:
            is_first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return read
