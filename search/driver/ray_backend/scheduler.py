"""TrialScheduler: Ray Tune's scheduler, which runs trials in order of arrival and stops some early."""

import logging
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ray import tune
from ray.tune.schedulers import FIFOScheduler

from gatefront.search.driver.early_stopping import EarlyStopping, Verdict
from gatefront.search.driver.ray_backend.searcher import StudySearcher
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.messages import EpochFinished, decode
from gatefront.search.driver.worker.trainable import TRIAL_NUMBER
from gatefront.search.storage.database.retry import is_outage, reason_of
from gatefront.trainer.reporting import EpochReport

logger = logging.getLogger(__name__)


class TrialScheduler(FIFOScheduler):
    """Scheduler that stops trials at rungs.

    It gives ``searcher`` the reason for a trial's end before Ray reports that end.

    Args:
        searcher: keeps the causes until the trial is completed.
        early_stopping: judges trials at their epochs. None: all trials run to their end.
    """

    def __init__(self, searcher: StudySearcher, early_stopping: EarlyStopping | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher
        self._early_stopping = early_stopping

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        # Without rungs there is no need to read what may be a large result.
        message = None if self._early_stopping is None else decode(result)
        if isinstance(message, EpochFinished):
            verdict = self._judge(trial.config[TRIAL_NUMBER], message.report)
            if verdict is not None:
                self._searcher.note_stop(trial.trial_id, str(verdict))
                return FIFOScheduler.STOP
        return FIFOScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        # Ray calls the scheduler on an error before the searcher. The reason is read from this local file, which is
        # complete. `trial.get_error()` reads Ray's storage, which may be a step behind.
        path = trial.error_file
        if path and Path(path).is_file():
            lines = Path(path).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            self._searcher.note_cause(trial.trial_id, lines[-1] if lines else "")

    def __getstate__(self) -> dict[str, Any]:
        # Ray saves its scheduler in snapshots. The rungs are in the database.
        return {}

    def _judge(self, number: int, report: EpochReport) -> Verdict | None:
        # After the projection to the budget a trial is nearly done, and its epochs are not comparable with those of
        # a trial whose gates still learn.
        if self._early_stopping is None or report.phase != "train":
            return None
        if report.delta_mtl is None or report.flops is None:
            return None
        try:
            return self._early_stopping.judge(number, report.epoch, report.delta_mtl, report.flops)
        except sa.exc.SQLAlchemyError as error:
            if not is_outage(error):
                raise
            logger.warning("trial %d is not judged at epoch %d: %s", number, report.epoch, reason_of(error))
            return None


class StopRequestStopper(tune.Stopper):
    """Stopper that stops each trial at its next message once a stop is requested, and all at once if it is urgent."""

    def __init__(self, stop_request: StopRequest) -> None:
        self._stop_request = stop_request

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return self._stop_request.is_requested

    def stop_all(self) -> bool:
        return self._stop_request.is_at_once

    def __getstate__(self) -> dict[str, Any]:
        # Ray saves its stopper in snapshots. A stop request must not be restored from one.
        return {}
