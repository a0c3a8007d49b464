"""Principal: who sent a request, and what that person may do."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from fastapi import Request

from gatefront.search.errors import NotAllowedError

Role = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Principal:
    """``write`` may change studies, and read them too. ``name`` is what events say."""

    name: str
    role: Role

    @property
    def may_write(self) -> bool:
        return self.role == "write"


CALLER: ContextVar[Principal | None] = ContextVar("gatefront_caller", default=None)
"""Set by :class:`~gatefront.search.service.rest.auth.middleware.AccessGate` for the length of a request."""


def principal_of(request: Request) -> Principal:
    """Who sent it, by the gate that let it in; without a gate nobody changes anything."""
    caller = request.scope.get("state", {}).get("caller")
    if not isinstance(caller, Principal):
        raise NotAllowedError("nobody has said who sent this request.", hint="Serve this behind its access gate.")
    return caller
