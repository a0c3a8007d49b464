"""FigureCache: figures drawn for one browser are handed to the next one while nothing in them changes."""

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
    """The latest drawings by what they show. Two browsers that ask at once may draw one twice; that does no harm."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get_or_draw(self, key: Hashable, draw: Callable[[], T], otherwise: T) -> T:
        """The drawing of this key: a new one only if it is not kept; ``otherwise`` while the database is away.

        The page's own banner says that it is.
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
    """Which finished points a page shows, in which scheme: it travels through a `dcc.Store` as JSON."""

    token: str
    scheme: str

    @classmethod
    def of(cls, view: StudyView, scheme: str) -> "ShownPoints":
        """Equal tokens mean equal pictures: an epoch of a trial that is under way does not change it.

        Of many points only the front and a sample of the others are drawn, so that one more off the front hardly shows:
        over a thousand, the token changes with the front, and else with every further hundredth of them.
        """
        summary = view.summary
        # A finished point changes only by a void, which is an event, or by a repeat that ends.
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
    """The number itself if it is small; else one that changes when it has grown by a hundredth."""
    return number if number < _FEW else _FEW + int(100 * math.log(number / _FEW))
