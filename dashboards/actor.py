"""Who asks: the name that changes are recorded under."""

from contextvars import ContextVar

ACTOR: ContextVar[str] = ContextVar("actor", default="dashboard")
"""Set for the length of a request by whoever knows the person, such as a login; threads are handed the value."""
