"""The hypervolume of a study: how it grew, and how far the confirmed points leave it open."""

from collections.abc import Collection, Iterable
from datetime import datetime

from search.pareto import ReferenceFrame, RunningHypervolume, hypervolume
from search.records import HypervolumePoint, TrialPoint


def hypervolume_points(points: Iterable[TrialPoint], frame: ReferenceFrame | None) -> tuple[HypervolumePoint, ...]:
    """The hypervolume of the feasible front after each complete trial with its derived points, in finishing order.

    A confirmed point counts with its mean from the moment on that its trial was finished.
    """
    growing = GrowingHypervolume(frame)
    growing.add(points)
    return growing.points


class GrowingHypervolume:
    """The same of points that come in the order in which they finish."""

    def __init__(self, frame: ReferenceFrame | None) -> None:
        self.frame = frame
        self._history: list[HypervolumePoint] = []
        self._latest: tuple[datetime, int, int] | None = None
        self._running = None if frame is None else RunningHypervolume(frame)

    @property
    def points(self) -> tuple[HypervolumePoint, ...]:
        return tuple(self._history)

    def can_take(self, points: Collection[TrialPoint]) -> bool:
        """Whether all of these finished after those that are in it."""
        return self._latest is None or all(_order(point) > self._latest for point in points if _counts(point))

    def add(self, points: Iterable[TrialPoint]) -> None:
        for point in sorted(filter(_counts, points), key=_order):
            self._add(point)

    def _add(self, point: TrialPoint) -> None:
        delta_mtl, flops, at = point.expected_delta_mtl, point.flops, point.finished_at
        if self._running is None or delta_mtl is None or flops is None or at is None:
            return
        self._latest = _order(point)
        value = self._running.add((delta_mtl, flops))
        # Of the several points of a trial the last one tells what the trial has brought.
        if self._history and self._history[-1].trial == point.number:
            self._history.pop()
        self._history.append(
            HypervolumePoint(num_complete=len(self._history) + 1, trial=point.number, finished_at=at, hypervolume=value)
        )


def _counts(point: TrialPoint) -> bool:
    return point.is_feasible and point.finished_at is not None


def _order(point: TrialPoint) -> tuple[datetime, int, int]:
    if point.finished_at is None:
        raise ValueError(f"point {point.label} has not finished, so it has no place in the order of finishing.")
    return point.finished_at, point.number, point.derived


def hypervolume_band(points: Iterable[TrialPoint], frame: ReferenceFrame | None) -> tuple[float, float] | None:
    """The hypervolume with every confirmed point at the lower, and at the upper end of its interval.

    Points that were not repeated count as measured. None while no point is confirmed.
    """
    feasible = [point for point in points if point.is_feasible]
    if frame is None or all(point.confirmation is None for point in feasible):
        return None
    low = [(_end(point, "low"), point.flops or 0) for point in feasible]
    high = [(_end(point, "high"), point.flops or 0) for point in feasible]
    return hypervolume(low, frame), hypervolume(high, frame)


def _end(point: TrialPoint, end: str) -> float:
    if point.confirmation is None:
        return point.delta_mtl or 0.0
    return point.confirmation.low if end == "low" else point.confirmation.high
