"""The store's contract: SQLite and PostgreSQL behave the same."""

import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import optuna
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sqlalchemy.orm import Session

from gatefront.search.errors import (
    AmendmentError,
    LeaseLostError,
    StoreError,
    StudyBusyError,
    StudyExistsError,
    StudyNotFoundError,
)
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.amendments import ask_to_stop, set_hours
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_optuna_storage
from gatefront.search.storage.database.health_check import examine_database
from gatefront.search.storage.database.migrate import VERSION_TABLE, upgrade_schema
from gatefront.search.storage.lease import LEASE_S, Lease
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import Base, StudyRow
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.trainer.reporting import EpochReport, ReferenceResult, TrialResult

NewRow = Callable[..., StudyRow]

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")

SINGLE_TASK, BUDGET = 3_000_000_000_000, 1_500_000_000_000


def _result(delta_mtl: float, flops: int) -> TrialResult:
    return TrialResult(
        metrics={"a": 90.0, "b": 80.0},
        delta_per_task={"a": delta_mtl, "b": delta_mtl},
        delta_mtl=delta_mtl,
        flops=flops,
        flop_budget=BUDGET,
        flops_before_cut=flops + 10,
        num_parameters=1234,
        gate_map=GateMap(tasks=("a", "b"), sites=(GateSite(name="conv1", own=("10", "00"), flops_per_channel=5.0),)),
        seconds=12.0,
        device="cpu",
        train_flops=1e12,
        peak_memory_mib=300.0,
        environment={"torch": "2.13.0"},
        network_path="trials/0/network.pt",
    )


def _reference(kind: str, tasks: tuple[str, ...], flops: int) -> ReferenceResult:
    return ReferenceResult(
        kind=kind,  # type: ignore[arg-type]
        key="k",
        tasks=tasks,
        metrics=dict.fromkeys(tasks, 85.0),
        flops=flops,
        num_parameters=10,
        seconds=3.0,
        train_flops=1e9,
        path="x.pt",
        from_cache=False,
    )


def _epoch(epoch: int, loss: float) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        num_epochs=3,
        phase="train",
        losses={"a": loss},
        metrics={"a": 50.0},
        learning_rate=1e-3,
        seconds=1.0,
        delta_mtl=math.nan,
        flops=100,
    )


def _complete(store: StudyStore, study: optuna.Study, delta_mtl: float, flops: int) -> int:
    trial = study.ask(
        {
            "gates.tau": FloatDistribution(0, 1),
            "network.width": CategoricalDistribution((0.5, 1.0)),
            "train.batch_size": IntDistribution(8, 64),
        }
    )
    store.open_trial(trial.number, params=trial.params, seed=7, num_epochs=3)
    store.start_attempt(trial.number, "host:1")
    store.record_epoch(trial.number, _epoch(1, math.nan))
    store.complete_trial(trial.number, _result(delta_mtl, flops))
    study.tell(trial, [delta_mtl, flops])
    return int(trial.number)


@pytest.fixture
def study(engine: sa.Engine, url: str, new_row: NewRow) -> tuple[StudyStore, optuna.Study]:
    store = StudyStore.create(engine, new_row())
    found = optuna.create_study(
        storage=open_optuna_storage(url), study_name="digits", directions=["maximize", "minimize"]
    )
    return store, found


def test_schema_is_what_the_models_say(engine: sa.Engine) -> None:
    upgrade_schema(engine)
    with engine.connect() as connection:
        ours = {"version_table": VERSION_TABLE, "include_name": _is_ours}
        context = MigrationContext.configure(connection, opts=ours)
        assert compare_metadata(context, Base.metadata) == []


def test_both_schemas_live_in_one_database(engine: sa.Engine) -> None:
    upgrade_schema(engine)
    tables = set(sa.inspect(engine).get_table_names())
    assert {"alembic_version", VERSION_TABLE, "studies", "gatefront_studies"} <= tables


def test_newer_schema_is_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreError, match="9999"):
        upgrade_schema(engine)


def test_a_name_is_given_once(engine: sa.Engine, new_row: NewRow) -> None:
    StudyStore.create(engine, new_row())
    with pytest.raises(StudyExistsError, match="digits"):
        StudyStore.create(engine, new_row())


def test_reader_of_an_empty_database_shows_nothing(url: str) -> None:
    reader = StudyReader(url)
    assert reader.list_studies() == ()
    with pytest.raises(StudyNotFoundError, match="digits"):
        reader.view("digits")


def test_view_tells_what_was_written(study: tuple[StudyStore, optuna.Study], url: str) -> None:
    store, optuna_study = study
    reader = StudyReader(url)
    for task in "ab":
        store.record_reference(f"single_task/{task}", _reference("single_task", (task,), 5), is_baseline=True)
    store.record_reference(
        "hard_sharing", _reference("hard_sharing", ("a", "b"), SINGLE_TASK // 3), is_baseline=True, delta_mtl=-10.0
    )
    feasible = _complete(store, optuna_study, -4.0, BUDGET)
    dominated = _complete(store, optuna_study, -5.0, BUDGET)
    over = _complete(store, optuna_study, 3.0, BUDGET + 1)
    store.open_trial(3, params={}, seed=1, num_epochs=3)
    store.fail_trial(3, "the loss is NaN")

    view = reader.view("digits")
    points = {point.number: point for point in view.points}
    assert [points[n].on_front for n in (feasible, dominated, over, 3)] == [True, False, False, False]
    assert [points[n].is_feasible for n in (feasible, dominated, over, 3)] == [True, True, False, False]
    assert points[3].cause == "the loss is NaN"
    assert set(points[feasible].params) == {"gates.tau", "network.width", "train.batch_size"}
    assert points[feasible].params["network.width"] in (0.5, 1.0)
    assert isinstance(points[feasible].params["train.batch_size"], int)
    assert (view.summary.best_trial, view.summary.best_delta_mtl) == (feasible, -4.0)
    assert view.summary.state_counts == {TrialState.COMPLETE: 3, TrialState.FAILED: 1}
    # One point: 6 points of Δ_MTL above hard sharing, at the budget itself, so no area in FLOPs.
    assert view.summary.hypervolume == pytest.approx(0.0)
    assert [point.kind for point in view.references] == ["single_task", "hard_sharing"]
    assert view.references[0].metrics == {"a": 85.0, "b": 85.0}
    cheaper = _complete(store, optuna_study, -6.0, BUDGET // 2)
    assert reader.view("digits").summary.hypervolume == pytest.approx((-6.0 + 10.0) * 0.25)
    assert [p.trial for p in reader.view("digits").hypervolume] == [feasible, dominated, cheaper]


def test_trial_detail_keeps_gaps_out_of_curves(study: tuple[StudyStore, optuna.Study], url: str) -> None:
    store, optuna_study = study
    number = _complete(store, optuna_study, 1.0, 5)
    detail = StudyReader(url).trial("digits", number)
    assert detail.gate_map == _result(1.0, 5).gate_map
    assert [(epoch.epoch, epoch.losses, epoch.delta_mtl) for epoch in detail.epochs] == [(1, {}, None)]
    assert (detail.attempts, detail.seed, detail.flops_before_cut) == (1, 7, 15)
    assert f"--trial {number}" in detail.pull_command
    with pytest.raises(StudyNotFoundError, match="no trial 99"):
        StudyReader(url).trial("digits", 99)


def test_a_result_without_gates_is_stored_whole(study: tuple[StudyStore, optuna.Study], url: str) -> None:
    """Families other than InterroGate have none; what an earlier attempt had is gone."""
    store, found = study
    number = _complete(store, found, 1.0, 100)
    store.complete_trial(number, replace(_result(1.5, 90), gate_map=None))
    detail = StudyReader(url).trial(store.study, number)
    assert (detail.gate_map, detail.point.state, detail.flops_before_cut) == (None, TrialState.COMPLETE, 100)
    assert examine_database(url).problems == ()


def test_repeated_epoch_replaces_the_first(study: tuple[StudyStore, optuna.Study], url: str) -> None:
    store, _ = study
    store.open_trial(0, params={}, seed=0, num_epochs=3)
    for worker, loss in (("host:1", 2.0), ("host:2", 1.0)):
        store.start_attempt(0, worker)
        store.record_epoch(0, _epoch(1, loss))
    detail = StudyReader(url).trial("digits", 0)
    assert [epoch.losses for epoch in detail.epochs] == [{"a": 1.0}]
    assert detail.attempts == 2


def test_handed_out_again_keeps_attempts_and_epochs(study: tuple[StudyStore, optuna.Study]) -> None:
    store, _ = study
    store.open_trial(0, params={}, seed=0, num_epochs=3)
    store.start_attempt(0, "host:1")
    store.requeue_trial(0)
    store.open_trial(0, params={}, seed=0, num_epochs=3)
    store.start_attempt(0, "host:2")
    assert store.trial_states() == {0: TrialState.RUNNING}


def test_every_write_changes_the_revision(study: tuple[StudyStore, optuna.Study], url: str) -> None:
    store, _ = study
    reader = StudyReader(url)
    seen = [reader.revision("digits")]
    store.set_state(StudyState.RUNNING)
    seen.append(reader.revision("digits"))
    store.open_trial(0, params={}, seed=0, num_epochs=1)
    seen.append(reader.revision("digits"))
    store.record_epoch(0, _epoch(1, 1.0))
    seen.append(reader.revision("digits"))
    assert len(set(seen)) == 4
    assert reader.revision("digits") == seen[-1] == reader.view("digits").revision


class TestLease:
    def test_second_driver_is_refused(self, engine: sa.Engine, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        Lease(engine, "digits").acquire()
        with pytest.raises(StudyBusyError, match="digits"):
            Lease(engine, "digits").acquire()

    def test_released_study_can_be_taken(self, engine: sa.Engine, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        first = Lease(engine, "digits")
        first.acquire()
        first.release()
        Lease(engine, "digits").acquire()

    def test_silent_driver_loses_the_study(self, engine: sa.Engine, url: str, new_row: NewRow) -> None:
        store = StudyStore.create(engine, new_row())
        Lease(engine, "digits").acquire()
        store.set_state(StudyState.RUNNING)
        reader = StudyReader(url)
        running = reader.revision("digits")
        assert reader.view("digits").summary.state is StudyState.RUNNING
        _silence(engine, driver="elsewhere/ns/1/2")
        assert reader.view("digits").summary.state is StudyState.LOST
        assert reader.revision("digits") != running
        Lease(engine, "digits", watch_seconds=0.1).acquire()

    def test_overtaken_driver_notices(self, engine: sa.Engine, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        lease = Lease(engine, "digits")
        lease.acquire()
        _silence(engine, driver="elsewhere/ns/1/2")
        with pytest.raises(LeaseLostError):
            lease.beat()

    def test_ended_process_of_this_host_is_not_waited_for(self, engine: sa.Engine, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        code = (
            "import sys; from gatefront.search.storage.database.engine import open_engine;"
            "from gatefront.search.storage.lease import Lease;"
            "Lease(open_engine(sys.argv[1]), 'digits').acquire()"
        )
        address = engine.url.render_as_string(hide_password=False)
        subprocess.run([_python(), "-c", code, address], check=True, timeout=60)
        Lease(engine, "digits").acquire()

    def test_stop_request_reaches_the_driver_once(self, engine: sa.Engine, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        lease = Lease(engine, "digits")
        lease.acquire()
        assert lease.beat() is False
        assert ask_to_stop(engine, "digits", actor="ann")
        assert lease.beat() is True
        lease.release()
        lease.acquire()
        assert lease.beat() is False
        assert [(event.kind, event.actor) for event in StudyReader(_address(engine)).view("digits").events] == [
            ("stop_asked", "ann")
        ]

    def test_changed_cap_reaches_the_running_driver(self, engine: sa.Engine, new_row: NewRow) -> None:
        StudyStore.create(engine, new_row())
        assert not set_hours(engine, "digits", 1.0)
        lease = Lease(engine, "digits")
        lease.acquire(max_hours=8.0)
        assert lease.max_hours() == 8.0
        for hours in (0.5, None):
            assert set_hours(engine, "digits", hours, actor="ann")
            assert lease.max_hours() == hours
        for wrong in (-1.0, math.nan, math.inf):
            with pytest.raises(AmendmentError, match="at least 0"):
                set_hours(engine, "digits", wrong)
        lease.release()
        assert not set_hours(engine, "digits", 1.0)
        assert [event.detail for event in StudyReader(_address(engine)).view("digits").events] == [
            "at most 0.5 h",
            "no cap",
        ]


def _address(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or (name or "").startswith("gatefront_")


def _python() -> str:
    import sys

    return sys.executable


def _silence(engine: sa.Engine, *, driver: str) -> None:
    with Session(engine) as session, session.begin():
        row = session.get_one(StudyRow, "digits")
        row.driver = driver
        row.heartbeat_at = datetime.now(UTC) - timedelta(seconds=LEASE_S + 1)
