"""TrialCache: details of recently read trials, kept while they do not change."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from threading import Lock

from gatefront.search.results.records import TrialDetail

_MOST_TRIALS = 32

Key = tuple[str, datetime, int]
"""Name of the study, its time of creation, and number of the trial."""


class TrialCache:
    """Cache of the latest :class:`TrialDetail` of some trials, which the parts of a page share. Thread-safe."""

    def __init__(self, most_trials: int = _MOST_TRIALS) -> None:
        self._most_trials = most_trials
        self._lock = Lock()
        self._kept: OrderedDict[Key, tuple[str, TrialDetail]] = OrderedDict()

    def get_or_read(self, key: Key, revision: str, read: Callable[[], TrialDetail]) -> TrialDetail:
        """Return the trial that was kept at this revision, or ``read`` it."""
        with self._lock:
            revision_kept, kept = self._kept.get(key, ("", None))
            if kept is not None and revision_kept == revision:
                self._kept.move_to_end(key)
                return kept
        found = read()
        with self._lock:
            self._kept[key] = revision, found
            self._kept.move_to_end(key)
            while len(self._kept) > self._most_trials:
                self._kept.popitem(last=False)
        return found
