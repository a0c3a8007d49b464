"""ViewCacheRegistry: cached pages of recently read studies, and every study's summary."""

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from threading import Lock

from sqlalchemy.orm import Session

from gatefront.search.results.records import StudySummary, StudyView
from gatefront.search.snapshots.cache.study_view_cache import StudyViewCache
from gatefront.search.snapshots.study_view import revision
from gatefront.search.storage.tables.schema import StudyRow

# A page of ten thousand trials takes some tens of MB.
_MOST_VIEWS = 12


class ViewCacheRegistry:
    """Caches of all studies of a database. Only the most recently used pages are kept, but all summaries."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._views: OrderedDict[tuple[str, datetime], StudyViewCache] = OrderedDict()
        self._summaries: dict[tuple[str, datetime], tuple[str, StudySummary]] = {}

    def view(self, session: Session, row: StudyRow, now: datetime) -> StudyView:
        """Return a study's page as the transaction of ``session`` sees it."""
        # A study that was deleted and started anew under its name is another one.
        key = (row.name, row.created_at)
        with self._lock:
            cache = self._views.setdefault(key, StudyViewCache())
            self._views.move_to_end(key)
            if len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)
        view = cache.view(session, row, now)
        self._summaries[key] = (view.revision, view.summary)
        return view

    def summary(self, session: Session, row: StudyRow, now: datetime) -> StudySummary:
        """Return a study's summary. Its page is read only if anything changed."""
        known, summary = self._summaries.get((row.name, row.created_at), ("", None))
        if summary is None or known != revision(row, now):
            return self.view(session, row, now).summary
        return replace(summary, heartbeat_at=row.heartbeat_at)
