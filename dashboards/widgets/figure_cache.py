"""FigureCache: figures drawn for one browser and given to the next one while nothing in them changes."""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from gatefront.dashboards.widgets.polling import UNREACHABLE
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import TrialState

T = TypeVar("T")
_MOST = 64
# Up to so many points each new one is drawn at once.
_FEW = 1000


class FigureCache(Generic[T]):
    """Cache of the latest drawings, by what they show. Two requests at once may draw one twice, which does no harm."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get_or_draw(self, key: Hashable, draw: Callable[[], T], otherwise: T) -> T:
        """Return the drawing of this key, which is made only if it is not kept.

        ``otherwise`` is the result while the database cannot be reached, which the page's own banner reports.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        try:
            drawing = draw()
        except UNREACHABLE:
            return otherwise
        with self._lock:
            self._kept[key] = drawing
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return drawing


@dataclass(frozen=True, slots=True)
class ShownPoints:
    """Token of the finished points that a page shows, and its scheme. It travels through a `dcc.Store` as JSON."""

    token: str
    scheme: str

    @classmethod
    def of(cls, view: StudyView, scheme: str) -> "ShownPoints":
        """Return the shown points of a view. Equal tokens mean equal pictures, and an epoch of a running trial changes
        none.

        Of many points only the front and a sample of the others are drawn, so that one more point off the front hardly
        shows. Over a thousand points, the token changes with the front, and otherwise with every further hundredth of
        them.
        """
        summary = view.summary
        # A finished point changes only by a void, which is an event, or by a replicate that ends.
        replicates = [(point.label, point.state, point.delta_mtl) for point in view.replicates]
        ended = (TrialState.COMPLETE, TrialState.STOPPED_EARLY)
        counts = [_roughly(summary.state_counts.get(state, 0)) for state in ended]
        front = [point.label for point in view.front]
        said = (
            summary.name, summary.created_at, counts, front, _roughly(len(view.derived)), len(view.events),
            replicates,
            len(view.references), summary.best_label, summary.hypervolume, summary.hypervolume_band,
        )  # fmt: skip
        return cls(hashlib.sha256(repr(said).encode()).hexdigest()[:16], scheme)

    @classmethod
    def from_json(cls, document: Mapping[str, str] | None) -> "ShownPoints | None":
        return cls(**document) if document else None

    def to_json(self) -> dict[str, str]:
        return {"token": self.token, "scheme": self.scheme}


def _roughly(number: int) -> int:
    """Return the number itself if it is small, otherwise one that changes when it has grown by a hundredth."""
    return number if number < _FEW else _FEW + int(100 * math.log(number / _FEW))
