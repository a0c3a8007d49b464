"""A small study without Ray: real SQLite, real Optuna, results from a recorded table."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pytest

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.outcome_recorder import OutcomeRecorder
from gatefront.search.driver.phases import StudyPhase, StudyProgress
from gatefront.search.driver.ray_backend.searcher import StudySearcher
from gatefront.search.driver.recovery import Recovery, recover
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.messages import (
    AttemptStarted,
    EpochFinished,
    Message,
    TrialFailed,
    TrialFinished,
    encode,
)
from gatefront.search.planning.search_space import SearchSpace
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.sampling.filtered_sampler import FilteredSampler
from gatefront.search.sampling.optuna_study import ask, open_study
from gatefront.search.sampling.replicates import REPLICATE_OF
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.effective_config import store_config
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.trainer.reporting import EpochReport, NetworkResult, TrialResult

TASKS = ("left", "right")
BUDGET = 600

STUDY_FILE = """
[study]
name = "table"
flop_budget = "600"
trials = 6
sampler = "tpe"
[data]
name = "digits"
[gates]
tau = {low = 0.0, high = 1.0}
lambda_s = {low = 0.1, high = 10.0, log = true}
"""


def make_result(**changes: Any) -> TrialResult:
    """A result as the recorded table has it, with some fields changed."""
    fields: dict[str, Any] = {
        "metrics": {"left": 90.0, "right": 80.0},
        "delta_per_task": {"left": -1.0, "right": -3.0},
        "delta_mtl": -2.0,
        "flops": 500,
        "flop_budget": BUDGET,
        "flops_before_cut": 700,
        "num_parameters": 1234,
        "gate_map": GateMap(tasks=TASKS, sites=(GateSite(name="conv1", own=("10", "00"), flops_per_channel=5.0),)),
        "seconds": 12.0,
        "device": "cpu",
        "train_flops": 1e12,
        "peak_memory_mib": 300.0,
        "environment": {"torch": "2.13.0"},
        "network_path": "trials/0/network.pt",
    }
    return TrialResult(**fields | changes)


def new_derived(index: int, **changes: Any) -> NetworkResult:
    """A point derived from the trial of :func:`make_result`."""
    fields: dict[str, Any] = {
        "index": index,
        "flop_target": 450,
        "metrics": {"left": 89.0, "right": 79.0},
        "delta_per_task": {"left": -2.0, "right": -4.0},
        "delta_mtl": -3.0,
        "flops": 440,
        "num_parameters": 1000 + index,
        "gate_map": GateMap(tasks=TASKS, sites=(GateSite(name="conv1", own=("00", "00"), flops_per_channel=5.0),)),
        "seconds": 3.0,
        "train_flops": 1e11,
        "network_path": f"trials/0/derived-{index}.pt",
    }
    return NetworkResult(**fields | changes)


@pytest.fixture
def make_trial() -> Callable[..., TrialResult]:
    return make_result


@pytest.fixture
def make_derived() -> Callable[..., NetworkResult]:
    return new_derived


def make_epoch(epoch: int) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        num_epochs=3,
        phase="train",
        losses={"left": 1.0 / epoch},
        metrics={"left": 50.0},
        learning_rate=1e-3,
        seconds=1.0,
        delta_mtl=-5.0,
        flops=500,
    )


@dataclass
class TableStudy:
    """One session of a study whose workers read their results from a table."""

    url: str
    space: SearchSpace
    store: StudyStore
    study: optuna.Study
    recovery: Recovery
    stop_request: StopRequest
    searcher: StudySearcher
    hand_out: Callable[[StudyPhase], StudySearcher]

    @property
    def config(self) -> StudyConfig:
        return self.space.config

    @property
    def progress(self) -> StudyProgress:
        """What there is to do, as the driver would ask."""
        return StudyProgress(
            store=self.store,
            reader=StudyReader(self.url),
            study=self.study,
            space=self.space,
            recovery=self.recovery,
            stop_request=self.stop_request,
        )

    def work(self, ray_id: str, *messages: Message) -> None:
        """Tell the searcher what Ray would, as it would: the last message comes twice more when the trial ends."""
        results = [encode(message) for message in (AttemptStarted("host/ns/1/2"), *messages)]
        for result in results:
            self.searcher.on_trial_result(ray_id, result)
        if messages and isinstance(messages[-1], TrialFinished | TrialFailed):
            self.searcher.on_trial_result(ray_id, results[-1])
            self.searcher.on_trial_complete(ray_id, results[-1])

    def finish(self, ray_id: str, **changes: Any) -> None:
        self.work(ray_id, EpochFinished(make_epoch(1)), TrialFinished(make_result(**changes)))

    def optuna_states(self) -> list[str]:
        return [trial.state.name for trial in self.study.get_trials(deepcopy=False)]

    def states(self) -> Mapping[int, TrialState]:
        return self.store.trial_states()


OpenStudy = Callable[..., TableStudy]


@pytest.fixture
def open_table_study(tmp_path: Path) -> OpenStudy:
    """Opens the study of one database; a second call takes it up again as a new driver would."""
    url = f"sqlite:///{tmp_path}/gatefront.db"

    def open_again(*, max_concurrent: int = 2, text: str = STUDY_FILE) -> TableStudy:
        config = parse_study(text)
        engine, optuna_storage = open_store(url)
        budget = BUDGET if config.study.flop_budget else None
        budgets = Budgets(flops=budget, latency_ms=config.latency_budget_ms)
        store = StudyStore(engine, config.study.name)
        if not any(found.study_name == config.study.name for found in optuna_storage.get_all_studies()):
            StudyStore.create(engine, _row(config, text, budget))
        num_trials = store.load().num_trials
        space = SearchSpace(config, budgets=budgets)
        study = open_study(optuna_storage, space, num_trials=num_trials)
        study.sampler = FilteredSampler(study.sampler, store.void_trials)
        recovery = recover(study, store, space, num_trials=num_trials)
        stop_request = StopRequest()

        def make_config(trial: optuna.Trial) -> dict[str, Any]:
            confirms = trial.user_attrs.get(REPLICATE_OF)
            store.open_trial(trial.number, params=trial.params, seed=trial.number, num_epochs=3, confirms=confirms)
            return {"trial_number": trial.number, "params": dict(trial.params)}

        def hand_out(work: StudyPhase) -> StudySearcher:
            return StudySearcher(
                ask=work.ask,
                make_config=make_config,
                recorder=OutcomeRecorder(study, store, tasks=TASKS, budgets=budgets, latency=config.latency_rule),
                adopted=work.adopted,
                limit=work.limit,
                max_concurrent=max_concurrent,
                stop_request=stop_request,
            )

        search = StudyPhase(
            ask=lambda: ask(study, space), adopted=recovery.adopted, limit=recovery.num_left, is_search=True
        )
        return TableStudy(url, space, store, study, recovery, stop_request, hand_out(search), hand_out)

    return open_again


def _row(config: StudyConfig, text: str, flop_budget: int | None) -> StudyRow:
    tasks = [
        {"name": name, "kind": "classification", "metric": "accuracy %", "higher_is_better": True} for name in TASKS
    ]
    row = StudyRow(
        name=config.study.name,
        file_text=text,
        created_at=datetime.now(UTC),
        num_trials=config.study.trials,
        num_workers=2,
        seed=0,
        flop_budget=flop_budget,
        flop_budget_text=config.study.flop_budget or "",
        single_task_flops=1000,
        hard_sharing_flops=400,
        floor_flops=400,
        ceiling_flops=1000,
        tasks=tasks,
        data="digits",
        backbone="smallconv",
        storage_dir="/data/runs",
        state=StudyState.RUNNING,
        latency=None if config.latency_rule is None else asdict(config.latency_rule),
    )
    store_config(row, config)
    return row
