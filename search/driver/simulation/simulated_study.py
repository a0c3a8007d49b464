"""SimulatedStudy: a whole study on a virtual clock. Everything is real except its workers, which read a table."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import optuna
import sqlalchemy as sa
from ray.tune.search import Searcher

from gatefront.search.config.parameters import max_value
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.driver.outcome_recorder import OutcomeRecorder
from gatefront.search.driver.ray_backend.searcher import StudySearcher
from gatefront.search.driver.recovery import recover
from gatefront.search.driver.simulation.recorded_table import Answer, Answers, RecordedTable
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.messages import (
    AttemptStarted,
    EpochFinished,
    Message,
    TrialFailed,
    TrialFinished,
    encode,
)
from gatefront.search.planning.search_space import Params, SearchSpace
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.sampling.optuna_study import ask, open_study
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.trainer.reporting import EpochReport, Phase, TrialResult

_TASK = "recorded"


class Stopping(Protocol):
    """Protocol of :class:`gatefront.search.driver.early_stopping.EarlyStopping` and its stand-ins."""

    def should_stop(self, number: int, epoch: int, delta_mtl: float, flops: int) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A trial that ended at ``clock``, after the fraction ``share`` of the seconds of its whole ``answer``."""

    number: int
    state: TrialState
    clock: float
    share: float
    answer: Answer

    @property
    def seconds(self) -> float:
        return self.share * self.answer.seconds


@dataclass(slots=True)
class _Running:
    number: int
    answer: Answer
    is_doomed: bool
    epoch: int = 0

    @property
    def share(self) -> float:
        """Fraction of the trial's time that has passed."""
        return self.answer.shares[self.epoch - 1] if self.epoch else 0.0


class SimulatedStudy:
    """Session of a study whose trials take their recorded seconds on the virtual clock.

    A second session over the same database resumes the study. Interrupted trials begin anew.

    Args:
        answers: the results of trials. The study's parameters must be those of its table.
        config: the study.
        database: as :func:`gatefront.search.storage.database.open.open_store` opens it.
        num_workers: how many trials run at a time.
        stopping: judges every epoch in which gates learn, as the real scheduler does. None: no trial is stopped, and
            epochs are not reported, which is faster.
        fails: True for points whose training fails in its first epoch, with any seed.
    """

    def __init__(
        self,
        answers: Answers,
        config: StudyConfig,
        database: tuple[sa.Engine, optuna.storages.BaseStorage],
        *,
        num_workers: int = 1,
        stopping: Stopping | None = None,
        fails: Callable[[Params], bool] = lambda _: False,
    ) -> None:
        engine, optuna_storage = database
        self._answers, self._num_workers = answers, num_workers
        self._stopping, self._fails = stopping, fails
        self._space = SearchSpace(config, budgets=Budgets(flops=answers.table.flop_budget))
        self.store = StudyStore(engine, config.study.name)
        if config.study.name not in {found.study_name for found in optuna_storage.get_all_studies()}:
            StudyStore.create(engine, _row(answers.table, config, num_workers))
        self.study = open_study(optuna_storage, self._space, num_trials=config.study.trials)
        self.stop_request = StopRequest()
        self._searcher = self._take_up()
        self._num_started = 0
        self._running: dict[str, _Running] = {}
        self._events: list[tuple[float, str]] = []
        self._finished: list[Finished] = []

    def run(self, *, until: float | None = None) -> list[Finished]:
        """Drive the study to its end, or to a stop request at ``until``.

        Returns:
            The ended trials, in the order in which they ended.
        """
        self._hand_out(0.0)
        while self._events:
            clock, ray_id = heapq.heappop(self._events)
            if until is not None and clock >= until:
                self.stop_request.request("the simulation's time is over")
                self._searcher.on_trial_complete(ray_id)
                del self._running[ray_id]
            else:
                self._work(clock, ray_id)
                self._hand_out(clock)
        return self._finished

    def _take_up(self) -> StudySearcher:
        num_trials = self._space.config.study.trials
        recovery = recover(self.study, self.store, self._space, num_trials=num_trials)
        return StudySearcher(
            ask=lambda: ask(self.study, self._space),
            make_config=self._make_config,
            recorder=OutcomeRecorder(self.study, self.store, tasks=(_TASK,), budgets=self._space.budgets),
            adopted=recovery.adopted,
            limit=recovery.num_left,
            max_concurrent=self._num_workers,
            stop_request=self.stop_request,
        )

    def _make_config(self, trial: optuna.Trial) -> dict[str, Any]:
        seed = self._space.config.study.seed + 1 + trial.number
        answer = self._answers.at(trial.params, seed=seed)
        self.store.open_trial(trial.number, params=trial.params, seed=seed, num_epochs=len(answer.epochs))
        return {"running": _Running(trial.number, answer, self._fails(trial.params))}

    def _hand_out(self, clock: float) -> None:
        while len(self._running) < self._num_workers:
            ray_id = f"simulated-{self._num_started:06d}"
            config = self._searcher.suggest(ray_id)
            if config is None or config == Searcher.FINISHED:
                return
            self._num_started += 1
            self._running[ray_id] = config["running"]
            self._send(ray_id, AttemptStarted("simulated"))
            self._go_on(clock, ray_id)

    def _go_on(self, clock: float, ray_id: str) -> None:
        """Schedule the end of the trial's next epoch, or of its last one if nobody looks at epochs."""
        running = self._running[ray_id]
        passed = running.share
        is_watched = running.is_doomed or self._stopping is not None
        running.epoch += 1 if is_watched else len(running.answer.epochs)
        heapq.heappush(self._events, (clock + running.answer.seconds * (running.share - passed), ray_id))

    def _work(self, clock: float, ray_id: str) -> None:
        running = self._running[ray_id]
        if running.is_doomed:
            self._send(ray_id, TrialFailed("torch.OutOfMemoryError", is_deterministic=True))
            self._end(clock, ray_id, TrialState.FAILED)
        elif self._is_stopped(ray_id, running):
            self._searcher.note_stop(ray_id, "judged by its epochs")
            self._end(clock, ray_id, TrialState.STOPPED_EARLY)
        elif running.epoch == len(running.answer.epochs):
            self._send(ray_id, TrialFinished(_result(running.answer, self._space.budgets.flops)))
            self._end(clock, ray_id, TrialState.COMPLETE)
        else:
            self._go_on(clock, ray_id)

    def _is_stopped(self, ray_id: str, running: _Running) -> bool:
        if self._stopping is None:
            return False
        gates_learn = running.epoch <= max_value(self._space.config.train.epochs)
        self._send(ray_id, EpochFinished(_report(running, "train" if gates_learn else "finetune")))
        point = running.answer.epochs[running.epoch - 1]
        return gates_learn and self._stopping.should_stop(running.number, running.epoch, *point)

    def _end(self, clock: float, ray_id: str, state: TrialState) -> None:
        running = self._running.pop(ray_id)
        self._searcher.on_trial_complete(ray_id)
        self._finished.append(
            Finished(number=running.number, state=state, clock=clock, share=running.share, answer=running.answer)
        )

    def _send(self, ray_id: str, message: Message) -> None:
        self._searcher.on_trial_result(ray_id, encode(message))


def _report(running: _Running, phase: Phase) -> EpochReport:
    delta_mtl, flops = running.answer.epochs[running.epoch - 1]
    num_epochs = len(running.answer.epochs)
    return EpochReport(
        epoch=running.epoch,
        num_epochs=num_epochs,
        phase=phase,
        losses={},
        metrics={_TASK: 100 + delta_mtl},
        learning_rate=0.0,
        seconds=running.answer.seconds / num_epochs,
        delta_mtl=delta_mtl,
        flops=flops,
    )


def _result(answer: Answer, flop_budget: int | None) -> TrialResult:
    return TrialResult(
        metrics={_TASK: 100 + answer.delta_mtl},
        delta_per_task={_TASK: answer.delta_mtl},
        delta_mtl=answer.delta_mtl,
        flops=answer.flops,
        flop_budget=flop_budget,
        flops_before_cut=answer.flops,
        num_parameters=0,
        gate_map=GateMap(tasks=(_TASK,), sites=()),
        seconds=answer.seconds,
        device="simulated",
        train_flops=answer.train_flops,
        peak_memory_mib=0.0,
        environment={},
        network_path="",
    )


def _row(table: RecordedTable, config: StudyConfig, num_workers: int) -> StudyRow:
    task = {"name": _TASK, "kind": "classification", "metric": "Δ_MTL + 100", "higher_is_better": True}
    return StudyRow(
        name=config.study.name,
        file_text=table.study,
        created_at=datetime.now(UTC),
        num_trials=config.study.trials,
        num_workers=num_workers,
        seed=config.study.seed,
        flop_budget=table.flop_budget,
        flop_budget_text=config.study.flop_budget or "",
        single_task_flops=table.single_task_flops,
        hard_sharing_flops=table.floor_flops,
        floor_flops=table.floor_flops,
        ceiling_flops=table.single_task_flops,
        tasks=[task],
        data=config.data.name,
        backbone="simulated",
        storage_dir="",
        state=StudyState.RUNNING,
    )
