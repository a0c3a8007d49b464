"""StudySearcher: hands trials to Ray Tune and receives their messages. It makes all decisions on trial states."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import optuna
from ray.tune.search import Searcher

from gatefront.search.driver.outcome_recorder import OutcomeRecorder
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.messages import AttemptStarted, TrialInterrupted, decode
from gatefront.search.driver.write_queue import WriteQueue

Ask = Callable[[], optuna.Trial]
MakeConfig = Callable[[optuna.Trial], dict[str, Any]]


Handout = tuple[optuna.Trial, dict[str, Any]]
GiveUp = Callable[[Mapping[int, str]], Mapping[int, str]]


class StudySearcher(Searcher):
    """Searcher that hands out interrupted trials first, then those that ``ask`` returns, ``limit`` in all.

    All database work goes through a write queue, in order. During an outage no trial is handed out, messages of workers
    are kept, and running trials train on. ``before_trial`` is called before a trial is handed out, and may make the
    stop request.

    Args:
        ask: returns the next new trial.
        make_config: returns the Ray config of a trial.
        recorder: checks and stores results.
        adopted: interrupted trials, which keep number, parameters and checkpoint.
        limit: how many trials to hand out, adopted ones included.
        max_concurrent: most trials at a time, so that each is sampled with all results that are known by then.
        stop_request: once made, nothing new is handed out and unfinished trials are left to a resume.
    """

    def __init__(
        self,
        *,
        ask: Ask,
        make_config: MakeConfig,
        recorder: OutcomeRecorder,
        adopted: Sequence[optuna.Trial],
        limit: int,
        max_concurrent: int,
        stop_request: StopRequest,
    ) -> None:
        super().__init__()
        self._ask = ask
        self._make_config = make_config
        self._recorder = recorder
        self._adopted = list(adopted)
        self._left = limit
        self._max_concurrent = max_concurrent
        self._stop_request = stop_request
        self.before_trial: Callable[[], None] = lambda: None
        self._write_queue = WriteQueue(recorder.retry_policy)
        self._next: Future[Handout] | None = None
        self._live: dict[str, optuna.Trial] = {}
        self._last_seen: dict[str, object] = {}
        self._attempts: dict[str, int] = {}
        self._workers: dict[str, str] = {}
        self._causes: dict[str, str] = {}
        self._stops: dict[str, str] = {}

    def suggest(self, trial_id: str) -> Any:
        """Return a trial's Ray config, None if no trial can be handed out yet, or ``FINISHED``.

        ``FINISHED`` means that all trials are handed out, or that a stop is requested.
        """
        if self._stop_request.is_requested or (self._left == 0 and self._next is None):
            return Searcher.FINISHED
        if self._next is None:
            if not self._write_queue.is_settled() or len(self._live) >= self._max_concurrent:
                return None
            if not self._has_room():
                return Searcher.FINISHED
            self._left -= 1
            self._next = self._write_queue.begin(self._prepare)
        if not self._write_queue.has(self._next):
            return None
        trial, config = self._next.result()
        self._next = None
        self._live[trial_id] = trial
        return config

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._write_queue.do(lambda: self._receive(trial_id, result))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._write_queue.do(lambda: self._end(trial_id, result, error=error))

    def note_cause(self, trial_id: str, cause: str) -> None:
        """Note the cause that Ray knows of a worker's death, before the trial is completed."""
        self._causes[trial_id] = cause

    def note_stop(self, trial_id: str, cause: str) -> None:
        """Note that the scheduler stops the trial early, before the trial is completed."""
        self._stops[trial_id] = cause

    def release(self, give_up: GiveUp = lambda _workers: {}) -> None:
        """Wait until all is stored, then fail or queue again the trials that have not ended.

        ``give_up`` receives the process identity of each such trial's worker, which is empty if none has begun the
        trial. It returns the cause of each trial that is not to be retried. Those fail, and the others wait for a
        resume.
        """
        self._write_queue.close()
        causes = give_up({trial.number: self._workers.get(trial_id, "") for trial_id, trial in self._live.items()})
        for trial_id, trial in list(self._live.items()):
            if trial.number in causes:
                self._recorder.fail(trial, causes[trial.number], is_deterministic=True)
            else:
                self._recorder.interrupt(trial)
            self._forget(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing, because the database holds all state and a pickle would contain its address."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def _has_room(self) -> bool:
        self.before_trial()
        return not self._stop_request.is_requested

    def _prepare(self) -> Handout:
        trial = self._adopted.pop(0) if self._adopted else self._ask()
        return trial, self._make_config(trial)

    def _receive(self, trial_id: str, result: dict[str, Any]) -> None:
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
            self._workers[trial_id] = message.worker
        if isinstance(message, TrialInterrupted):
            # The cause stops the other trials, too, so the study ends cleanly and waits for a resume.
            self._stop_request.request_once(message.cause)
        if self._recorder.receive(trial, message):
            self._forget(trial_id)

    def _end(self, trial_id: str, result: dict[str, Any] | None, *, error: bool) -> None:
        if result and not error:
            self._receive(trial_id, result)
        trial = self._live.get(trial_id)
        if trial is None:
            return
        # Checked before the stop request, because a judged trial is done even if a stop was requested meanwhile.
        if trial_id in self._stops:
            self._recorder.stop_early(trial, self._stops[trial_id])
        elif self._stop_request.is_requested:
            self._recorder.interrupt(trial)
        elif error:
            attempts = self._attempts.get(trial_id, 0)
            cause = self._causes.get(trial_id, "")
            self._recorder.fail(trial, f"the worker died, {attempts} of {attempts} attempts. {cause}".strip())
        else:
            self._recorder.fail(trial, "the worker ended without a result.")
        self._forget(trial_id)

    def _forget(self, trial_id: str) -> None:
        for known in (self._live, self._last_seen, self._attempts, self._workers, self._causes, self._stops):
            known.pop(trial_id, None)
