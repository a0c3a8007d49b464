"""Principal: the sender of a request and the sender's role."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from fastapi import Request

from gatefront.search.errors import NotAllowedError

Role = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Sender of a request. The role ``write`` may read and change studies. Events show ``name``."""

    name: str
    role: Role

    @property
    def may_write(self) -> bool:
        return self.role == "write"


CALLER: ContextVar[Principal | None] = ContextVar("gatefront_caller", default=None)
"""Principal of the current request.

:class:`~gatefront.search.service.rest.auth.middleware.AccessMiddleware` sets it for the length of the request.
"""


def principal_of(request: Request) -> Principal:
    """Return the principal that the middleware set. Raise ``NotAllowedError`` without one."""
    caller = request.scope.get("state", {}).get("caller")
    if not isinstance(caller, Principal):
        raise NotAllowedError("nobody has said who sent this request.", hint="Serve this behind its access gate.")
    return caller
