"""Cost of a study so far: hours of a CPU core or a GPU, in total and per result."""

from dataclasses import dataclass
from typing import Literal

from gatefront.search.results.formats import format_duration
from gatefront.search.results.records import StudyView

GPUS_HELD = "gpus_held"
"""Key of a trial's environment for the share of a GPU that its worker held; absent for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCost:
    """Worker time in seconds, and the ``device`` that a worker holds: one CPU core, or a GPU or a share of one.

    ``worker_seconds`` counts everything that was trained for this study. That includes all trials in any state with
    their derived points, replicates, and references that were not in the cache. The other times are parts or shares of
    it. A share is None if there is nothing to divide by. ``device_hours`` is the total in hours of one device.
    """

    device: Literal["CPU", "GPU"]
    devices_per_worker: float
    worker_seconds: float
    reference_seconds: float
    per_trial: float | None
    per_front_point: float | None
    per_hypervolume: float | None
    device_hours: float


def study_cost(view: StudyView) -> StudyCost:
    """Return the cost of a study. Of running trials it counts the finished epochs."""
    summary = view.summary
    share = summary.gpus_per_worker
    # These are lists because a generator takes twice as long over tens of thousands of points.
    timed = [point.seconds for point in view.trials if point.seconds is not None]
    further = [point.seconds or 0.0 for point in (*view.derived, *view.replicates) if point.derived]
    in_trials = sum(timed) + sum(further)
    num_front = len(view.front)
    return StudyCost(
        device="GPU" if share else "CPU",
        devices_per_worker=share or 1.0,
        worker_seconds=summary.seconds_spent,
        reference_seconds=summary.reference_seconds,
        per_trial=in_trials / len(timed) if timed else None,
        per_front_point=summary.seconds_spent / num_front if num_front else None,
        per_hypervolume=summary.seconds_spent / summary.hypervolume if summary.hypervolume else None,
        device_hours=summary.seconds_spent * (share or 1.0) / 3600,
    )


def cost_line(cost: StudyCost) -> str:
    """Return ``2 h 05 min of CPU time in all (12 min 30 s of it references), 9 min 22 s per trial, ...``."""

    def time(seconds: float) -> str:
        return format_duration(seconds * cost.devices_per_worker)

    whole = f"{time(cost.worker_seconds)} of {cost.device} time in all"
    if cost.reference_seconds:
        whole += f" ({time(cost.reference_seconds)} of it references)"
    shares = (
        (cost.per_trial, "per trial"),
        (cost.per_front_point, "per front point"),
        (cost.per_hypervolume, "per unit of hypervolume"),
    )
    return ", ".join([whole, *(f"{time(seconds)} {of}" for seconds, of in shares if seconds is not None)])
