"""The hypervolume of a study: how it grew, and how far the confirmed points leave it open."""

from collections.abc import Iterable
from operator import attrgetter

from search.pareto import ReferenceFrame, hypervolume, hypervolume_history
from search.records import HypervolumePoint, TrialPoint


def hypervolume_points(points: Iterable[TrialPoint], frame: ReferenceFrame | None) -> tuple[HypervolumePoint, ...]:
    """The hypervolume of the feasible front after each complete trial with its derived points, in finishing order.

    A confirmed point counts with its mean from the moment on that its trial was finished.
    """
    finished = [point for point in points if point.is_feasible and point.finished_at is not None]
    if frame is None or not finished:
        return ()
    finished.sort(key=attrgetter("finished_at", "number", "derived"))
    values = [
        (p.expected_delta_mtl, p.flops) for p in finished if p.expected_delta_mtl is not None and p.flops is not None
    ]
    # Of the several points of a trial the last one tells what the trial has brought.
    after = {p.number: (p.finished_at, v) for p, v in zip(finished, hypervolume_history(values, frame), strict=True)}
    return tuple(
        HypervolumePoint(num_complete=position, trial=number, finished_at=at, hypervolume=value)
        for position, (number, (at, value)) in enumerate(after.items(), start=1)
        if at is not None
    )


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
