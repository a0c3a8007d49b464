"""Estimate of the time that a study takes."""

from collections.abc import Sequence

from gatefront.search.config.parameters import max_value
from gatefront.search.doctor.check import Check
from gatefront.search.doctor.first_steps import FirstSteps
from gatefront.search.planning.reference_lengths import single_task_length
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.planning.worker_resources import plan_local_workers
from gatefront.search.results.formats import format_duration
from gatefront.trainer.data import MultiTaskData
from gatefront.trainer.data.loader import num_samples


def check_duration(plan: StudyPlan, data: MultiTaskData, steps: Sequence[FirstSteps]) -> Check:
    """Estimate the study's duration, without evaluation and start-up.

    Trials are estimated from the measured speed of their family, references from their FLOPs. ``steps`` has one entry
    for each family of the study. With several families, the search may come to prefer any of them. The estimate then
    ranges from a study of the fastest family to one of the slowest.
    """
    per_epoch = max(1, num_samples(data.train) // max_value(plan.config.train.batch_size))
    speeds = [_seconds_per_flop(one, plan) * per_epoch for one in steps]
    per_trial = [speed * plan.family_trial_flops(one.family) for speed, one in zip(speeds, steps, strict=True)]
    references = speeds[0] * _reference_flops(plan)
    workers = plan_local_workers(plan.config.study.workers).num_workers
    study = plan.config.study
    replicates = study.confirm_points * study.confirm_seeds
    totals = [(seconds * (study.trials + replicates) + references) / workers for seconds in per_trial]
    first, *others = steps
    where = f"{study.trials} trials{_and_replicates(replicates)} on {workers} worker{'s' * (workers != 1)}"
    if single_task_length(plan.config).is_auto:
        where += f", of which references take at most {_about(references / workers)}"
    machine = f"(on this machine's {first.device.type.upper()})"
    loading = f"{first.loading_seconds:.3g} s{_in_workers(plan.config.train.num_loader_workers)}"
    if not others:
        return Check(
            "estimated time",
            True,
            f"{_about(totals[0])} for {where}, {_about(per_trial[0])} per trial {machine}; a step of "
            f"{first.batch_size} samples takes {first.seconds:.3g} s, reading them {loading}",
        )
    return Check(
        "estimated time",
        True,
        f"{_about(min(totals))} to {_about(max(totals))} for {where} {machine}, by the family they are of; "
        f"reading {first.batch_size} samples takes {loading}",
        tuple(
            f"{one.family}: {_about(seconds)} per trial, a step takes {one.seconds:.3g} s"
            for one, seconds in zip(steps, per_trial, strict=True)
        ),
    )


def _reference_flops(plan: StudyPlan) -> int:
    """Return the most FLOPs that all references compute for each training sample."""
    shared_epochs = plan.shared_init_epochs + plan.hard_sharing_epochs
    return plan.largest.single_task * plan.reference_epochs + plan.largest.hard_sharing * shared_epochs


def _and_replicates(count: int) -> str:
    return f" and {count} repeats of the best" if count else ""


def _seconds_per_flop(steps: FirstSteps, plan: StudyPlan) -> float:
    """Return the seconds that a batch takes, per FLOP that is counted for one of its samples."""
    return _with_reading(steps, plan.config.train.num_loader_workers) / steps.flops


def _with_reading(steps: FirstSteps, num_loader_workers: int) -> float:
    """Return the seconds of a step and of reading its batch.

    Loader workers read while the network trains. Without them, training waits for the reading.
    """
    if num_loader_workers == 0:
        return steps.seconds + steps.loading_seconds
    return max(steps.seconds, steps.loading_seconds / num_loader_workers)


def _in_workers(num_loader_workers: int) -> str:
    return f" in {num_loader_workers} loader workers" if num_loader_workers else ""


def _about(seconds: float) -> str:
    # Start-up alone takes seconds, so shorter estimates would be too low.
    return "under 1 min" if seconds < 60 else format_duration(seconds)
