"""How long will the study take?"""

from search.cluster import plan_workers
from search.doctor.check import Check
from search.doctor.first_steps import FirstSteps
from search.formats import format_hours
from search.knobs import largest
from search.plan import StudyPlan
from trainer.data import MultiTaskData
from trainer.data.loader import num_samples


def check_duration(plan: StudyPlan, data: MultiTaskData, steps: FirstSteps) -> Check:
    """Trials at the measured speed, references in proportion to their FLOPs; evaluation and start-up come on top."""
    train = plan.config.train
    per_epoch = max(1, num_samples(data.train) // largest(train.batch_size))
    seconds_per_step = _with_reading(steps, train.num_loader_workers)
    capacity = plan.largest
    per_trial = seconds_per_step * per_epoch * plan.trial_flops / capacity.training
    shared_epochs = plan.shared_init_epochs + plan.hard_sharing_epochs
    reference_epochs = capacity.single_task * plan.reference_epochs + capacity.hard_sharing * shared_epochs
    references = seconds_per_step * per_epoch * reference_epochs / capacity.training
    workers = plan_workers(plan.config.study.workers).num_workers
    study = plan.config.study
    repeats = study.confirm_points * study.confirm_seeds
    total = (per_trial * (study.trials + repeats) + references) / workers
    return Check(
        "estimated time",
        True,
        f"{format_hours(total)} for {study.trials} trials{_and_repeats(repeats)} on {workers} workers, "
        f"{format_hours(per_trial)} per trial (on this machine's {steps.device.type.upper()}); a step of "
        f"{steps.batch_size} samples takes {steps.seconds:.3g} s, reading them {steps.loading_seconds:.3g} s"
        f"{_in_workers(train.num_loader_workers)}",
    )


def _and_repeats(count: int) -> str:
    return f" and {count} repeats of the best" if count else ""


def _with_reading(steps: FirstSteps, num_loader_workers: int) -> float:
    """Loader workers read while the network trains; without any, one waits for the other."""
    if num_loader_workers == 0:
        return steps.seconds + steps.loading_seconds
    return max(steps.seconds, steps.loading_seconds / num_loader_workers)


def _in_workers(num_loader_workers: int) -> str:
    return f" in {num_loader_workers} loader workers" if num_loader_workers else ""
