"""StudySearcher: hands trials to Ray Tune and takes their messages back. All decisions on trial states are here."""

from collections.abc import Callable, Sequence
from typing import Any

import optuna
from ray.tune.search import Searcher

from search.drain import Drain
from search.messages import AttemptStarted, decode
from search.result_gate import ResultGate

Ask = Callable[[], optuna.Trial]
MakeConfig = Callable[[optuna.Trial], dict[str, Any]]


class StudySearcher(Searcher):
    """Interrupted trials first, then what ``ask`` gives, until ``limit`` trials were handed out.

    Args:
        ask: the next new trial.
        make_config: the Ray config of a trial.
        gate: takes results in.
        adopted: interrupted trials; they keep number, parameters and checkpoint.
        limit: how many trials to hand out, adopted ones included.
        max_concurrent: no more trials at a time, so that each is sampled with all that is known by then.
        drain: once requested, nothing new is handed out and unfinished trials are left to a resume.
    """

    def __init__(
        self,
        *,
        ask: Ask,
        make_config: MakeConfig,
        gate: ResultGate,
        adopted: Sequence[optuna.Trial],
        limit: int,
        max_concurrent: int,
        drain: Drain,
    ) -> None:
        super().__init__()
        self._ask = ask
        self._make_config = make_config
        self._gate = gate
        self._adopted = list(adopted)
        self._left = limit
        self._max_concurrent = max_concurrent
        self._drain = drain
        self._live: dict[str, optuna.Trial] = {}
        self._last_seen: dict[str, object] = {}
        self._attempts: dict[str, int] = {}
        self._causes: dict[str, str] = {}
        self._stops: dict[str, str] = {}

    def suggest(self, trial_id: str) -> Any:
        """A Ray config; None while as many trials run as may; ``FINISHED`` when all were handed out."""
        if self._left == 0 or self._drain.is_requested:
            return Searcher.FINISHED
        if len(self._live) >= self._max_concurrent:
            return None
        trial = self._adopted.pop(0) if self._adopted else self._ask()
        self._left -= 1
        self._live[trial_id] = trial
        return self._make_config(trial)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        trial = self._live.get(trial_id)
        # Ray repeats the last result when a trial ends, and once more on completion.
        if trial is None or self._last_seen.get(trial_id) == result.get("message"):
            return
        message = decode(result)
        if message is None:
            return
        self._last_seen[trial_id] = result["message"]
        if isinstance(message, AttemptStarted):
            self._attempts[trial_id] = self._attempts.get(trial_id, 0) + 1
        if self._gate.receive(trial, message):
            self._forget(trial_id)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if result and not error:
            self.on_trial_result(trial_id, result)
        trial = self._live.get(trial_id)
        if trial is None:
            return
        # Before the drain: what was judged is done, even if the study was asked to stop meanwhile.
        if trial_id in self._stops:
            self._gate.stop_early(trial, self._stops[trial_id])
        elif self._drain.is_requested:
            self._gate.interrupt(trial)
        elif error:
            attempts = self._attempts.get(trial_id, 0)
            cause = self._causes.get(trial_id, "")
            self._gate.fail(trial, f"the worker died, {attempts} of {attempts} attempts. {cause}".strip())
        else:
            self._gate.fail(trial, "the worker ended without a result.")
        self._forget(trial_id)

    def note_cause(self, trial_id: str, cause: str) -> None:
        """What Ray knows of a worker's death; told before the trial is completed."""
        self._causes[trial_id] = cause

    def note_stop(self, trial_id: str, cause: str) -> None:
        """The scheduler stops the trial early; told before the trial is completed."""
        self._stops[trial_id] = cause

    def release(self) -> None:
        """Leave every trial that is still out to a resume."""
        for trial_id in list(self._live):
            self._gate.interrupt(self._live[trial_id])
            self._forget(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the database is the truth, and a pickle would carry its address."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def _forget(self, trial_id: str) -> None:
        for known in (self._live, self._last_seen, self._attempts, self._causes, self._stops):
            known.pop(trial_id, None)
