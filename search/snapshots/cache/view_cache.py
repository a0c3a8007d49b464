"""StudyViewCaches: cached pages of recently read studies, and every study's summary."""

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
_MOST_PAGES = 12


class StudyViewCaches:
    """Caches of all studies of a database. Only the most recently used pages are kept, but all summaries."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pages: OrderedDict[tuple[str, datetime], StudyViewCache] = OrderedDict()
        self._lines: dict[tuple[str, datetime], tuple[str, StudySummary]] = {}

    def view(self, session: Session, row: StudyRow, now: datetime) -> StudyView:
        """Return a study's page as the transaction of ``session`` sees it."""
        # A study that was deleted and started anew under its name is another one.
        key = (row.name, row.created_at)
        with self._lock:
            page = self._pages.setdefault(key, StudyViewCache())
            self._pages.move_to_end(key)
            if len(self._pages) > _MOST_PAGES:
                self._pages.popitem(last=False)
        view = page.view(session, row, now)
        self._lines[key] = (view.revision, view.summary)
        return view

    def summary(self, session: Session, row: StudyRow, now: datetime) -> StudySummary:
        """Return a study's summary. Its page is read only if anything changed."""
        known, summary = self._lines.get((row.name, row.created_at), ("", None))
        if summary is None or known != revision(row, now):
            return self.view(session, row, now).summary
        return replace(summary, heartbeat_at=row.heartbeat_at)
