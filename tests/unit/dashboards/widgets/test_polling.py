"""Polling reads only what changed, and survives a database that goes away."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import OperationalError

from gatefront.dashboards.widgets.polling import ClientState, Poll, poll
from gatefront.search.errors import StudyNotFoundError

NOW = datetime(2026, 3, 1, 14, 3, 20, tzinfo=UTC)
UNREACHABLE = OperationalError("SELECT 1", {}, Exception("connection refused"))


def raising(error: Exception) -> str:
    raise error


def look(seen: ClientState, revision: str = "a", scheme: str | None = "light") -> Poll[str]:
    return poll(seen, scheme, lambda: revision, lambda: "view", NOW)


def test_an_unchanged_revision_is_not_read() -> None:
    first = look(ClientState())
    assert (first.status, first.value) == ("changed", "view")
    again = poll(first.seen, "light", lambda: "a", lambda: pytest.fail("must not be read"), NOW)
    assert again.status == "unchanged"


def test_a_new_revision_or_colour_scheme_is_read() -> None:
    seen = look(ClientState()).seen
    assert look(seen, revision="b").status == "changed"
    dark = look(seen, scheme="dark")
    assert dark.status == "changed"
    assert dark.scheme.name == "dark"


def test_an_unreachable_database_keeps_the_view_and_says_since_when() -> None:
    seen = look(ClientState()).seen
    gone = poll(seen, "light", lambda: raising(UNREACHABLE), lambda: "view", NOW)
    assert gone.status == "unreachable"
    assert gone.value is None
    assert "since 14:03:20 UTC" in gone.sentence
    assert gone.seen.revision == seen.revision
    later = poll(gone.seen, "light", lambda: raising(OSError("still gone")), lambda: "view", datetime.now(UTC))
    assert "since 14:03:20 UTC" in later.sentence
    back = poll(later.seen, "light", lambda: "a", lambda: "view", NOW)
    assert back.status == "changed"
    assert back.seen.unreachable_since == ""


def test_a_read_that_fails_after_the_revision_counts_as_unreachable() -> None:
    assert poll(ClientState(), "light", lambda: "a", lambda: raising(UNREACHABLE), NOW).status == "unreachable"


def test_a_missing_study_says_so() -> None:
    gone = poll(
        ClientState(), "light", lambda: raising(StudyNotFoundError("no study x.", hint="Look.")), lambda: "v", NOW
    )
    assert (gone.status, gone.sentence) == ("missing", "no study x. Look.")


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        poll(ClientState(), "light", lambda: raising(ZeroDivisionError()), lambda: "v", NOW)


def test_seen_travels_as_json() -> None:
    seen = ClientState("r", "dark", "14:00:00 UTC")
    assert ClientState.from_json(seen.to_json()) == seen
    assert ClientState.from_json(None) == ClientState()
