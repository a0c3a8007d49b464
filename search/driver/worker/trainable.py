"""Work of a worker: it trains one trial, times its networks if asked, and reports every epoch to the driver."""

import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ray import tune

from gatefront.search.config.latency import LatencyRule
from gatefront.search.driver.worker.fencing import FencingToken, StaleWorkerError
from gatefront.search.driver.worker.memory import keep_to_share, memory_cause, ran_out_of_memory
from gatefront.search.driver.worker.messages import (
    AttemptStarted,
    EpochFinished,
    Message,
    TrialFailed,
    TrialFinished,
    TrialInterrupted,
    encode,
)
from gatefront.search.results.cost import GPUS_HELD
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.artifacts.trial_log import keep_failure, worker_log
from gatefront.search.storage.process_identity import process_identity
from gatefront.spaces import BudgetBelowFloorError
from gatefront.spaces.errors import GatefrontError
from gatefront.trainer.checkpoints.disk_full import ran_out_of_disk
from gatefront.trainer.loop.loss_log import DivergedError
from gatefront.trainer.reporting import EpochReport, Reporter, TrialResult
from gatefront.trainer.trial.spec import TrialSpec

logger = logging.getLogger(__name__)

TRIAL_NUMBER = "trial_number"
SPEC = "spec"
# Errors that the trial's own settings cause, besides a need for more memory than there is: a diverging recipe, a cost
# under the floor. Any other error, such as a full disk, says nothing about the settings.
_DETERMINISTIC = (DivergedError, BudgetBelowFloorError)


class RunTrial(Protocol):
    """Protocol of :func:`gatefront.trainer.trial.run_trial.run_trial` and its stand-ins.

    They resume from ``work_dir`` as it does.
    """

    def __call__(self, spec: TrialSpec, /, *, work_dir: Path, cache_dir: Path, reporter: Reporter) -> TrialResult: ...


def make_trainable(
    run_trial: RunTrial, folders: StudyFolders, latency: LatencyRule | None = None, *, gpus: float = 0.0
) -> Callable[[dict[str, Any]], None]:
    """Return the function that Ray Tune calls in a worker, once per trial and once more per retry.

    With ``latency`` every network that the trial delivers is timed by that rule. ``gpus`` is the worker's share of a
    GPU. The worker keeps to its share, and the result records it.
    """

    def run_and_measure(spec: TrialSpec, /, *, work_dir: Path, cache_dir: Path, reporter: Reporter) -> TrialResult:
        keep_to_share(gpus)
        result = run_trial(spec, work_dir=work_dir, cache_dir=cache_dir, reporter=reporter)
        if gpus:
            result = replace(result, environment={**result.environment, GPUS_HELD: f"{gpus:g}"})
        if latency is None:
            return result
        # Imported here, because the exporters take seconds to import in every worker. Only a timed study needs them.
        from gatefront.search.driver.worker.latency import measure_result

        return measure_result(result, latency)

    def train_one_trial(config: dict[str, Any]) -> None:
        work_dir = folders.trial(config[TRIAL_NUMBER])
        _send(AttemptStarted(process_identity()))
        with worker_log(work_dir):
            outcome = _attempt(run_and_measure, config[SPEC], work_dir, folders.cache)
        _send(outcome)

    return train_one_trial


def _attempt(run_trial: RunTrial, spec: str, work_dir: Path, cache_dir: Path) -> Message:
    try:
        token = FencingToken(work_dir)  # makes the folder, too
        logger.info("trial %s begins in %s", work_dir.name, process_identity())

        def report(epoch: EpochReport, /) -> None:
            token.check()
            _report_epoch(epoch)

        result = run_trial(
            TrialSpec.from_document(json.loads(spec)), work_dir=work_dir, cache_dir=cache_dir, reporter=report
        )
        token.check()
    except Exception as error:  # whatever a trial raises fails that trial, and no other
        logger.exception("trial in %s failed", work_dir)
        if isinstance(error, StaleWorkerError):
            return TrialInterrupted(error.message)
        if ran_out_of_disk(error, work_dir):
            return TrialInterrupted(f"the disk of {work_dir} is full")
        keep_failure(work_dir, traceback.format_exc())
        if ran_out_of_memory(error):
            trial = TrialSpec.from_document(json.loads(spec))
            return TrialFailed(memory_cause(error, trial.architecture, trial.train), is_deterministic=True)
        return TrialFailed(_cause(error), is_deterministic=isinstance(error, _DETERMINISTIC))
    return TrialFinished(result)


def _report_epoch(report: EpochReport, /) -> None:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
    where = f"epoch {report.epoch} of {report.num_epochs} ({report.phase})"
    logger.info("%s, %.1f s: %s", where, report.seconds, metrics)
    _send(EpochFinished(report))


def _send(message: Message) -> None:
    tune.report(encode(message))


def _cause(error: Exception) -> str:
    if isinstance(error, GatefrontError):
        return str(error)
    return f"{type(error).__name__}: {error}".strip().rstrip(":")
