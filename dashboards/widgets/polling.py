"""Polling that costs nothing while nothing changes, and that keeps the last view if the database cannot be reached."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from dash import Output, no_update
from sqlalchemy.exc import SQLAlchemyError

from gatefront.dashboards.figures.theme import Scheme, scheme_named
from gatefront.dashboards.widgets.components import HIDDEN, alert, missing
from gatefront.search.errors import StudyNotFoundError
from gatefront.spaces.errors import GatefrontError

T = TypeVar("T")

INTERVAL_MS = 2500

# Errors of a store that cannot be reached. Any other error is a fault of ours and must not be hidden.
UNREACHABLE = (SQLAlchemyError, GatefrontError, OSError)


@dataclass(frozen=True, slots=True)
class ClientState:
    """State of the browser's view. It travels through a `dcc.Store` as JSON."""

    revision: str = ""
    scheme: str = ""
    unreachable_since: str = ""

    @classmethod
    def from_json(cls, document: Mapping[str, str] | None) -> "ClientState":
        return cls(**document) if document else cls()

    def to_json(self) -> dict[str, str]:
        return {"revision": self.revision, "scheme": self.scheme, "unreachable_since": self.unreachable_since}


@dataclass(frozen=True, slots=True)
class Poll(Generic[T]):
    """Result of one look at the store. ``value`` is None unless ``status`` is ``changed``."""

    status: Literal["unchanged", "changed", "missing", "unreachable"]
    seen: ClientState
    value: T | None = None
    sentence: str = ""

    @property
    def scheme(self) -> Scheme:
        return scheme_named(self.seen.scheme)


def poll(
    seen: ClientState,
    scheme: str | None,
    revision: Callable[[], str],
    read: Callable[[], T],
    now: datetime | None = None,
) -> Poll[T]:
    """Read only if the revision, or the color scheme, differs from what is shown."""
    scheme_name = scheme_named(scheme).name
    try:
        current = revision()
        if current == seen.revision and scheme_name == seen.scheme and not seen.unreachable_since:
            return Poll("unchanged", seen)
        return Poll("changed", ClientState(current, scheme_name), read())
    except StudyNotFoundError as error:
        return Poll("missing", ClientState("", scheme_name), sentence=str(error))
    except UNREACHABLE as error:
        since = seen.unreachable_since or f"{now or datetime.now(UTC):%H:%M:%S} UTC"
        return Poll(
            "unreachable", ClientState(seen.revision, seen.scheme, since), sentence=_unreachable_sentence(since, error)
        )


def no_update_outputs(look: Poll[T], num_outputs: int) -> tuple[Any, ...]:
    """Return a page's outputs for a look without a value, when there is nothing to draw.

    The page's first outputs are its banner and the style of its content, and the last one is its `ClientState`. A
    missing study hides the content. An unreachable database leaves the last view under a banner with the time since
    when.
    """
    if look.status == "unchanged":
        return (no_update,) * num_outputs
    keep = (no_update,) * (num_outputs - 3)
    if look.status == "missing":
        return missing(look.sentence), HIDDEN, *keep, look.seen.to_json()
    return alert(look.sentence), no_update, *keep, look.seen.to_json()


def pause(tick: str) -> list[tuple[Output, bool, bool]]:
    """Return the setting that disables ticks during an update.

    Dash drops an answer that a newer request overtook. On a busy machine every answer would be overtaken, and the page
    would never change.
    """
    return [(Output(tick, "disabled"), True, False)]


def _unreachable_sentence(since: str, error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0]
    return f"The database cannot be reached since {since}; what is shown is the last view. Retrying. ({first_line})"
