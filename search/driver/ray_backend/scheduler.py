"""TrialScheduler: what Ray Tune asks about running trials. First come, first served, and some are stopped early."""

import logging
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ray.tune.schedulers import FIFOScheduler

from gatefront.search.driver.early_stopping import EarlyStopping, Verdict
from gatefront.search.driver.ray_backend.searcher import StudySearcher
from gatefront.search.driver.worker.messages import EpochFinished, decode
from gatefront.search.driver.worker.trainable import TRIAL_NUMBER
from gatefront.search.storage.database.retry import is_outage, reason_of
from gatefront.trainer.reporting import EpochReport

logger = logging.getLogger(__name__)


class TrialScheduler(FIFOScheduler):
    """Stops a trial at a rung, and tells ``searcher`` why a trial ends before Ray tells it that it ends.

    Args:
        searcher: keeps the causes until the trial is completed.
        early_stopping: judges trials at their epochs; None: all run to their end.
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
        # A scheduler alone is told of an error before the searcher, with the reason at hand: `trial.get_error()`
        # reads Ray's storage, which may be a step behind; this file is local and written.
        path = trial.error_file
        if path and Path(path).is_file():
            lines = Path(path).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            self._searcher.note_cause(trial.trial_id, lines[-1] if lines else "")

    def __getstate__(self) -> dict[str, Any]:
        # Ray snapshots its scheduler; the rungs are in the database.
        return {}

    def _judge(self, number: int, report: EpochReport) -> Verdict | None:
        # Behind the cut a trial is nearly done, and its epochs are no longer those of one whose gates still learn.
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
