"""Trials that were read are handed out again while they do not change, and only so many are kept."""

from datetime import UTC, datetime
from typing import Any

from gatefront.search.snapshots.cache.trial_cache import TrialCache

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def test_get_or_read_reads_again_when_the_revision_changed() -> None:
    cache, found = TrialCache(), iter("abc")
    read: Any = lambda: next(found)  # noqa: E731  # any object does
    key = ("s", MOMENT, 0)
    assert [cache.get_or_read(key, revision, read) for revision in ("1", "1", "2", "2", "1")] == [*"aabbc"]


def test_get_or_read_keeps_the_latest_trials_only() -> None:
    cache, reads = TrialCache(most_trials=2), list[int]()

    def look(number: int) -> None:
        read: Any = lambda: reads.append(number) or number  # type: ignore[func-returns-value]  # noqa: E731
        cache.get_or_read(("s", MOMENT, number), "1", read)

    for number in (0, 1, 0, 2, 0, 1):
        look(number)
    assert reads == [0, 1, 2, 1]
