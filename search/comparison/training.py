"""Training of one system of a comparison, in a worker."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from gatefront.search.comparison.jobs import SystemJob
from gatefront.search.comparison.systems import OTHER_FAMILIES
from gatefront.search.results.comparison_table import SystemRun
from gatefront.spaces import Architecture
from gatefront.spaces.families import build_family
from gatefront.trainer.baselines.references import train_reference
from gatefront.trainer.checkpoints.checkpoint import load_state
from gatefront.trainer.checkpoints.network_file import save_family
from gatefront.trainer.data import load_data
from gatefront.trainer.metrics.delta_mtl import delta_mtl
from gatefront.trainer.reporting import EpochReport, ReferenceResult
from gatefront.trainer.trial.families.train_family import FamilySpec, train_family
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import NETWORK_FILE


def train_system(job: SystemJob, cache_dir: Path, work_dir: Path) -> SystemRun:
    """Train one system, in a worker.

    Training continues from what ``work_dir`` or the cache holds of it.
    """
    if job.system.family == "interrogate":
        work_dir.mkdir(parents=True, exist_ok=True)
        found = run_trial(job.trial, work_dir=work_dir, cache_dir=cache_dir, reporter=_ignore)
        return _run(job, found.metrics, found.flops, found.num_parameters, found.train_flops, found.seconds)
    data = load_data(job.trial.data, cache_dir)
    if job.network is not None or job.system.family in OTHER_FAMILIES:
        spec = FamilySpec(
            family=job.system.family if job.network is None else job.network.family,
            architecture=job.trial.architecture if job.network is None else job.network.architecture,
            train=job.train,
            single_task=job.trial.single_task,
            settings={} if job.network is None else job.network.settings,
            layer_search=job.layer_search,
            compute=job.compute,
        )
        other = train_family(spec, data, work_dir)
        return _run(job, other.metrics, other.flops, other.num_parameters, other.train_flops, other.seconds)
    shared = train_reference("hard_sharing", job.trial.architecture, None, data, job.train, cache_dir=cache_dir)
    _keep("hard-sharing", job.trial.architecture, work_dir, hard_sharing=shared.path)
    return _run(job, shared.metrics, shared.flops, shared.num_parameters, shared.train_flops, shared.seconds)


def keep_single_task(architecture: Architecture, results: Iterable[ReferenceResult], work_dir: Path) -> None:
    """Write the single-task networks as one network of their family, unless its file exists."""
    if not (work_dir / NETWORK_FILE).exists():
        paths = {result.tasks[0]: result.path for result in results if result.kind == "single_task"}
        _keep("single-task", architecture, work_dir, single_task=paths)


def _keep(
    family: str,
    architecture: Architecture,
    work_dir: Path,
    *,
    single_task: Mapping[str, str] | None = None,
    hard_sharing: str | None = None,
) -> None:
    network = build_family(family, architecture)
    alone = {name: load_state(Path(path)) for name, path in (single_task or {}).items()}
    network.load_references(alone, None if hard_sharing is None else load_state(Path(hard_sharing)))
    work_dir.mkdir(parents=True, exist_ok=True)
    save_family(family, network, work_dir / NETWORK_FILE)


def _run(
    job: SystemJob, metrics: Mapping[str, float], flops: int, num_parameters: int, train_flops: float, seconds: float
) -> SystemRun:
    delta = delta_mtl(job.trial.ranked_tasks, metrics, job.trial.single_task_metrics())
    return SystemRun(
        system=job.system.name,
        seed=job.seed,
        metrics=dict(metrics),
        delta_per_task=delta.per_task,
        delta_mtl=delta.mean,
        flops=flops,
        num_parameters=num_parameters,
        train_flops=train_flops + job.initial_flops,
        seconds=seconds + job.initial_seconds,
    )


def _ignore(_: EpochReport, /) -> None:
    """Ignore an epoch, because a comparison shows none."""
