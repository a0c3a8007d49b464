"""History of a study's hypervolume, with the band that its confirmed points leave."""

from collections.abc import Collection, Iterable
from datetime import datetime

from gatefront.search.results.pareto import ReferenceFrame, RunningHypervolume
from gatefront.search.results.records import HypervolumePoint, TrialPoint


def hypervolume_points(points: Iterable[TrialPoint], frame: ReferenceFrame | None) -> tuple[HypervolumePoint, ...]:
    """Return the feasible front's hypervolume after each complete trial with derived points, in finishing order.

    A confirmed point counts with its mean from the time when its trial finished. The band takes the ends of its
    interval instead. Points without replicates count as measured in both.
    """
    growing = GrowingHypervolume(frame)
    growing.add(points)
    return growing.points


class GrowingHypervolume:
    """Hypervolume history that takes points in the order in which they finish."""

    def __init__(self, frame: ReferenceFrame | None) -> None:
        self.frame = frame
        self._history: list[HypervolumePoint] = []
        self._latest: tuple[datetime, int, int] | None = None
        # One each for the mean, the lower and the upper end of confirmed points.
        self._running = () if frame is None else tuple(RunningHypervolume(frame) for _ in range(3))
        self._is_any_confirmed = False

    @property
    def points(self) -> tuple[HypervolumePoint, ...]:
        return tuple(self._history)

    def can_take(self, points: Collection[TrialPoint]) -> bool:
        """Return whether all of these points finished after those already taken."""
        return self._latest is None or all(_order(point) > self._latest for point in points if _counts(point))

    def add(self, points: Iterable[TrialPoint]) -> None:
        for point in sorted(filter(_counts, points), key=_order):
            self._add(point)

    def _add(self, point: TrialPoint) -> None:
        delta_mtl, flops, at, sure = point.expected_delta_mtl, point.flops, point.finished_at, point.confirmation
        if not self._running or delta_mtl is None or flops is None or at is None:
            return
        self._latest = _order(point)
        self._is_any_confirmed = self._is_any_confirmed or sure is not None
        ends = (delta_mtl, delta_mtl) if sure is None else (sure.low, sure.high)
        value, low, high = (
            running.add((delta, flops)) for running, delta in zip(self._running, (delta_mtl, *ends), strict=True)
        )
        # A trial with several points keeps only the entry after its last one.
        if self._history and self._history[-1].trial == point.number:
            self._history.pop()
        self._history.append(
            HypervolumePoint(
                num_complete=len(self._history) + 1,
                trial=point.number,
                finished_at=at,
                hypervolume=value,
                band=(low, high) if self._is_any_confirmed else None,
            )
        )


def _counts(point: TrialPoint) -> bool:
    return point.is_feasible and point.finished_at is not None


def _order(point: TrialPoint) -> tuple[datetime, int, int]:
    if point.finished_at is None:
        raise ValueError(f"point {point.label} has not finished, so it has no place in the order of finishing.")
    return point.finished_at, point.number, point.derived
