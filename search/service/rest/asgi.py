"""The address of the HTTP interface, the types of ASGI, and a request body that is read no further than allowed."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

PREFIX = "/api/v1"
"""Where the HTTP interface lies."""

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


async def read_body(receive: Receive, most_bytes: int) -> bytes:
    """The whole body; :class:`BodyTooLargeError` as soon as it is longer, so that no more than that is ever kept."""
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
    """The body that was read already, then whatever comes."""
    is_first = True

    async def read() -> Message:
        nonlocal is_first
        if is_first:
            is_first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return read
