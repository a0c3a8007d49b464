"""What could go wrong with a study, found in a minute instead of after an hour."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
import torch

from search.capacities import list_layouts
from search.cluster import plan_workers
from search.config import StudyConfig
from search.folders import StudyFolders
from search.formats import format_flops, format_hours, format_share
from search.knobs import largest
from search.plan import StudyPlan, plan_study
from search.sampling import reference_train_config
from search.service import open_store
from spaces import Task, build_gated_network
from spaces.errors import GatefrontError
from trainer.data import IGNORE_INDEX, Batch, MultiTaskData, Sample, load_data
from trainer.data.loader import epoch_batches, num_samples
from trainer.losses import task_loss
from trainer.runtime import resolve_runtime
from trainer.seeding import seed_everything

_COUNTED_SAMPLES = 2000
_OVERFIT_SAMPLES = 16
_OVERFIT_STEPS = 60
_OVERFIT_SECONDS = 60.0
_CPU_FLOPS_PER_STEP = 2e12  # forward; about a minute on one core
_OVERFIT_LEARNING_RATE = 1e-2
_LEARNED = 0.5  # of the first loss
_BYTES_PER_VALUE = 16  # a weight, its gradient's two moments, and room for the atomic copy
_MIN_FREE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, whether it is well, and the numbers."""

    name: str
    passed: bool
    detail: str


def examine(config: StudyConfig, *, url: str, storage: Path) -> Iterator[Check]:
    """Every check in turn, each as soon as it is known.

    Raises:
        StudyFileError, DataError, SpaceError: the study file asks for what does not exist.
    """
    plan = plan_study(config)
    yield _networks(plan)
    folders = StudyFolders(storage, config.study.name)
    yield _disk(plan, storage)
    yield _database(url)
    data = load_data(plan.data, folders.cache)
    yield from _labels(plan, data)
    seconds_per_step, overfit = _overfit(plan, data)
    yield overfit
    yield _duration(plan, data, seconds_per_step)


def _networks(plan: StudyPlan) -> Check:
    whole = plan.largest.single_task
    budget = "no cap" if plan.flop_budget is None else f"{format_flops(plan.flop_budget)} FLOPs"
    return Check(
        "networks",
        True,
        f"capacities: {len(plan.capacities)}; floor {format_flops(plan.floor)} "
        f"({format_share(plan.floor, whole)}), ceiling {format_flops(plan.ceiling)}, budget {budget}",
    )


def _disk(plan: StudyPlan, storage: Path) -> Check:
    existing = next(folder for folder in (storage, *storage.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    per_trial = plan.largest.num_parameters * (len(plan.tasks) + 1) * _BYTES_PER_VALUE
    needed = max(_MIN_FREE_BYTES, plan.config.study.trials * per_trial)
    return Check("disk", free >= needed, f"{free / 2**30:.1f} GiB free at {existing}, {needed / 2**30:.1f} GiB wanted")


def _database(url: str) -> Check:
    try:
        engine, _ = open_store(url)
        with engine.connect() as connection:
            if engine.dialect.name != "sqlite":
                return Check("database", True, f"{engine.dialect.name} is reachable")
            mode = connection.execute(sa.text("PRAGMA journal_mode")).scalar_one()
            return Check("database", mode == "wal", f"SQLite, journal mode {mode}")
    except GatefrontError as error:
        return Check("database", False, str(error))


def _labels(plan: StudyPlan, data: MultiTaskData) -> Iterator[Check]:
    total = num_samples(data.train)
    samples = [data.train[index] for index in range(min(total, _COUNTED_SAMPLES))]
    for task in plan.tasks:
        labelled = [sample.labels[task.name] for sample in samples if _has_label(sample, task)]
        detail = f"{len(labelled)} of the first {len(samples)} training samples ({total} in all) have a label"
        if task.kind in ("classification", "segmentation") and labelled:
            classes = {int(value) for label in labelled for value in label.reshape(-1).tolist()} - {IGNORE_INDEX}
            detail += f", {len(classes)} of {task.num_outputs} classes seen"
        yield Check(f"labels of {task.name}", bool(labelled), detail)


def _has_label(sample: Sample, task: Task) -> bool:
    label = sample.labels.get(task.name)
    if label is None:
        return False
    known = label.isfinite() if label.is_floating_point() else label != IGNORE_INDEX
    return bool(known.any())


def _overfit(plan: StudyPlan, data: MultiTaskData) -> tuple[float, Check]:
    """Seconds of one training step of the study's batch size, and whether one small batch can be learned.

    A network too large to learn in a minute here is only timed.
    """
    train = reference_train_config(plan.config, epochs=1)
    torch.set_num_threads(train.num_threads)
    seed_everything(train.seed)
    runtime = resolve_runtime(train)
    network = build_gated_network(plan.largest.architecture, list_layouts(plan.config.gates)[0]).train()
    runtime.place_network(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_OVERFIT_LEARNING_RATE)

    def step(batch: Batch) -> float:
        optimizer.zero_grad()
        predictions: Mapping[str, torch.Tensor] = network(batch.images)
        losses = [task_loss(task, predictions[task.name], batch.labels[task.name]) for task in plan.tasks]
        loss = torch.stack(losses).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.detach())

    size = _num_overfit_samples(plan.largest.training, runtime.device)
    small = runtime.place_batch(_one_batch(plan, data, size))
    losses: list[float] = []
    started = time.perf_counter()
    while len(losses) < _OVERFIT_STEPS and (not losses or time.perf_counter() - started < _OVERFIT_SECONDS):
        losses.append(step(small))
    seconds = (time.perf_counter() - started) / len(losses)
    detail = f"loss {losses[0]:.3f} to {losses[-1]:.3f} in {len(losses)} steps on {len(small)} samples"
    if len(losses) < _OVERFIT_STEPS:
        per_batch = seconds * train.batch_size / len(small)
        return per_batch, Check("one-batch overfit", True, f"{detail}; {runtime.device} is too slow to tell")
    batch = runtime.place_batch(_one_batch(plan, data, train.batch_size))
    return _timed(step, batch), Check("one-batch overfit", losses[-1] < _LEARNED * losses[0], detail)


def _num_overfit_samples(flops_per_sample: int, device: torch.device) -> int:
    if device.type != "cpu":
        return _OVERFIT_SAMPLES
    return max(1, min(_OVERFIT_SAMPLES, int(_CPU_FLOPS_PER_STEP / flops_per_sample)))


def _one_batch(plan: StudyPlan, data: MultiTaskData, size: int) -> Batch:
    return next(iter(islice(epoch_batches(data.train, plan.tasks, batch_size=size, seed=0, epoch=0), 1)))


def _timed(step: Callable[[Batch], float], batch: Batch, repeats: int = 3) -> float:
    step(batch)
    started = time.perf_counter()
    for _ in range(repeats):
        step(batch)
    return (time.perf_counter() - started) / repeats


def _duration(plan: StudyPlan, data: MultiTaskData, seconds_per_step: float) -> Check:
    """Trials at the measured speed, references in proportion to their FLOPs; evaluation and start-up come on top."""
    train = plan.config.train
    steps = max(1, num_samples(data.train) // largest(train.batch_size))
    capacity = plan.largest
    per_trial = seconds_per_step * steps * plan.trial_flops / capacity.training
    shared_epochs = plan.shared_init_epochs + plan.hard_sharing_epochs
    reference_epochs = capacity.single_task * plan.reference_epochs + capacity.hard_sharing * shared_epochs
    references = seconds_per_step * steps * reference_epochs / capacity.training
    workers = plan_workers(plan.config.study.workers).num_workers
    device = resolve_runtime(reference_train_config(plan.config, epochs=1)).device.type
    total = (per_trial * plan.config.study.trials + references) / workers
    return Check(
        "estimated time",
        True,
        f"{format_hours(total)} for {plan.config.study.trials} trials on {workers} workers, "
        f"{format_hours(per_trial)} per trial (on this machine's {device.upper()})",
    )
