"""Derived points in the store: written with their trial, on the front with all others, in both kinds of database."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sqlalchemy.orm import Session

from gatefront.search.results.records import PointDetail, StudyView
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database import migrate
from gatefront.search.storage.database.engine import open_optuna_storage
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.networks import read_networks
from gatefront.search.storage.tables.schema import NetworkRow, StudyRow, TrialRow
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.trainer.reporting import NetworkResult, ReferenceResult, TrialResult

SINGLE_TASK, BUDGET = 3_000_000_000_000, 1_500_000_000_000
UNIT = SINGLE_TASK // 100
Study = tuple[StudyStore, optuna.Study]


def gate_map(own: str) -> GateMap:
    return GateMap(tasks=("a", "b"), sites=(GateSite(name="conv1", own=(own, "00"), flops_per_channel=5.0),))


def derived(index: int, delta_mtl: float, flops: int, **changes: float) -> NetworkResult:
    point = NetworkResult(
        index=index,
        flop_target=flops + 7,
        metrics={"a": 90.0 + index, "b": 80.0},
        delta_per_task={"a": delta_mtl + 1, "b": delta_mtl - 1},
        delta_mtl=delta_mtl,
        flops=flops,
        num_parameters=2**33 + index,
        gate_map=gate_map("10" if index % 2 else "01"),
        seconds=4.0,
        train_flops=1e11 * index,
        network_path=f"trials/0/derived-{index}.pt",
    )
    return replace(point, **changes)  # type: ignore[arg-type]


def result(delta_mtl: float, flops: int, *points: NetworkResult, flop_target: int | None = None) -> TrialResult:
    return TrialResult(
        metrics={"a": 90.0, "b": 80.0},
        delta_per_task={"a": delta_mtl, "b": delta_mtl},
        delta_mtl=delta_mtl,
        flops=flops,
        flop_budget=BUDGET,
        flops_before_cut=flops,
        num_parameters=1234,
        gate_map=gate_map("11"),
        seconds=12.0,
        device="cpu",
        train_flops=1e12,
        peak_memory_mib=300.0,
        environment={},
        network_path="trials/0/network.pt",
        flop_target=flop_target,
        derived=points,
    )


@pytest.fixture
def study(engine: sa.Engine, url: str, new_row: Callable[..., StudyRow]) -> Study:
    store = StudyStore.create(engine, new_row())
    hard = ReferenceResult(
        kind="hard_sharing", key="k", tasks=("a", "b"), metrics={"a": 80.0, "b": 70.0}, flops=30 * UNIT,
        num_parameters=10, seconds=3.0, train_flops=1e9, path="x.pt", from_cache=False,
    )  # fmt: skip
    store.record_reference("hard_sharing", hard, is_baseline=True, delta_mtl=-10.0)
    found = optuna.create_study(
        storage=open_optuna_storage(url), study_name="digits", directions=["maximize", "minimize"]
    )
    return store, found


def complete(study: Study, delivered: TrialResult, *, told: bool = True) -> int:
    store, optuna_study = study
    trial = optuna_study.ask({"gates.tau": FloatDistribution(0, 1)})
    store.open_trial(trial.number, params=trial.params, seed=7, num_epochs=3)
    store.start_attempt(trial.number, "host:1")
    store.complete_trial(trial.number, delivered)
    if told:
        optuna_study.tell(trial, [delivered.delta_mtl, delivered.flops])
    return int(trial.number)


def front(view: StudyView) -> list[str]:
    return [point.label for point in view.all_points if point.on_front]


def test_all_points_share_one_front(study: Study, url: str) -> None:
    complete(study, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT), derived(2, -6.0, 45 * UNIT)))
    complete(study, result(-4.5, 42 * UNIT, derived(1, -2.0, 41 * UNIT), flop_target=43 * UNIT))
    view = StudyReader(url).view("digits")
    assert [point.label for point in view.points] == ["0", "1"]
    assert [point.label for point in view.derived] == ["0.1", "0.2", "1.1"]
    assert front(view) == ["0.1", "1.1"]
    assert all(point.is_feasible for point in view.all_points)
    assert (view.summary.best_trial, view.summary.best_label, view.summary.best_delta_mtl) == (1, "1.1", -2.0)
    assert view.best is view.derived[2]
    assert [point.flop_target for point in view.all_points] == [
        None, 43 * UNIT, 40 * UNIT + 7, 45 * UNIT + 7, 41 * UNIT + 7,
    ]  # fmt: skip
    assert [point.requested(BUDGET) for point in view.points] == [BUDGET, 43 * UNIT]
    first = view.derived[0]
    assert first.metrics == {"a": 91.0, "b": 80.0}
    assert first.params == view.points[0].params != {}
    assert (first.num_parameters, first.finished_at) == (2**33 + 1, view.points[0].finished_at)


def test_a_trial_s_points_arrive_with_it_in_the_hypervolume(study: Study, url: str) -> None:
    complete(study, result(-6.0, 40 * UNIT, derived(1, -8.0, 30 * UNIT)))
    complete(study, result(-9.0, 45 * UNIT, derived(1, -2.0, 40 * UNIT)))
    view = StudyReader(url).view("digits")
    assert [(point.num_complete, point.trial) for point in view.hypervolume] == [(1, 0), (2, 1)]
    # Hard sharing at Δ -10, the budget at 50 units: 2 points over 20 units, and 2 more over 10.
    assert view.hypervolume[0].hypervolume == pytest.approx(2 * 0.20 + 2 * 0.10)
    assert view.hypervolume[1].hypervolume == pytest.approx(2 * 0.20 + 6 * 0.10)


def test_what_a_study_cost_includes_its_derived_points(study: Study, url: str) -> None:
    complete(study, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT), derived(2, -6.0, 30 * UNIT)))
    view = StudyReader(url).view("digits")
    assert view.summary.seconds_spent == 12.0 + 2 * 4.0 + 3.0
    assert [point.seconds for point in view.all_points] == [12.0, 4.0, 4.0]


def test_the_trial_knows_everything_of_its_points(study: Study, url: str) -> None:
    other = complete(study, result(-1.0, 30 * UNIT, derived(1, -9.0, 49 * UNIT)))
    number = complete(study, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT), derived(2, 0.0, 45 * UNIT)))
    detail = StudyReader(url).trial("digits", number)
    assert [network.point for network in detail.networks] == [
        point for point in StudyReader(url).view("digits").all_points if point.number == number
    ]
    own, first, second = detail.networks
    assert isinstance(first, PointDetail)
    assert (own.gate_map, first.gate_map, second.gate_map) == (gate_map("11"), gate_map("10"), gate_map("01"))
    assert first.delta_per_task == {"a": -4.0, "b": -6.0}
    assert (own.train_flops, first.train_flops, second.train_flops) == (1e12, 1e11, 2e11)
    assert [network.point.on_front for network in detail.networks] == [False, False, True]
    assert f"--trial {number}.2 -o digits-{number}.2" in second.pull_command
    assert f"--trial {number} -o" in own.pull_command
    assert len(StudyReader(url).trial("digits", other).derived) == 1


def test_a_trial_completed_again_replaces_its_points(study: Study, url: str, engine: sa.Engine) -> None:
    store, _ = study
    first = complete(study, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT), derived(2, -6.0, 30 * UNIT)))
    second = complete(study, result(-4.0, 50 * UNIT, derived(1, -7.0, 35 * UNIT)))
    store.complete_trial(first, result(-4.0, 50 * UNIT, derived(1, -3.0, 42 * UNIT)))
    view = StudyReader(url).view("digits")
    assert [(point.label, point.delta_mtl) for point in view.derived] == [("0.1", -3.0), ("1.1", -7.0)]
    store.complete_trial(second, result(-4.0, 50 * UNIT))
    assert [point.label for point in StudyReader(url).view("digits").derived] == ["0.1"]
    with Session(engine) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(NetworkRow)) == 3


def test_points_are_written_with_their_trial_or_not_at_all(study: Study, url: str, engine: sa.Engine) -> None:
    store, _ = study
    store.open_trial(0, params={}, seed=1, num_epochs=3)
    twice = (derived(1, -5.0, 40 * UNIT), derived(1, -5.0, 40 * UNIT))
    with pytest.raises(sa.exc.IntegrityError):
        store.complete_trial(0, result(-4.0, 50 * UNIT, *twice))
    assert store.trial_states() == {0: TrialState.QUEUED}
    with Session(engine) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(NetworkRow)) == 0


@pytest.mark.parametrize("state", [TrialState.VOID, TrialState.STOPPED_EARLY, TrialState.FAILED])
def test_points_of_a_trial_that_does_not_count_are_not_shown(
    study: Study, url: str, engine: sa.Engine, state: TrialState
) -> None:
    number = complete(study, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT)))
    with Session(engine) as session, session.begin():
        session.get_one(TrialRow, ("digits", number)).state = state
    view = StudyReader(url).view("digits")
    assert (view.derived, front(view), view.summary.best_label) == ((), [], None)
    assert StudyReader(url).trial("digits", number).derived == ()
    # Its time was spent all the same.
    assert view.summary.seconds_spent == 12.0 + 4.0 + 3.0


def test_view_complete_trial_has_its_values_before_optuna_is_told(study: Study, url: str) -> None:
    complete(study, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT)), told=False)
    view = StudyReader(url).view("digits")
    assert [(point.state, point.delta_mtl, point.flops) for point in view.all_points] == [
        (TrialState.COMPLETE, -4.0, 50 * UNIT),
        (TrialState.COMPLETE, -5.0, 40 * UNIT),
    ]


def test_networks_of_a_trial_have_a_row_each_its_own_first(study: Study, engine: sa.Engine) -> None:
    store, _ = study
    number = complete(study, result(-4.0, 50 * UNIT, derived(1, 9.0, 40 * UNIT), flop_target=51 * UNIT))
    assert store.stored_result(number) == (-4.0, 50 * UNIT, None)
    with Session(engine) as session:
        rows = read_networks(session, "digits", number)
    assert [(row.derived, row.delta_mtl, row.flop_target) for row in rows] == [
        (0, -4.0, 51 * UNIT),
        (1, 9.0, 40 * UNIT + 7),
    ]


def test_the_page_of_a_study_reads_no_gate_map(study: Study, url: str) -> None:
    complete(study, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT)))
    reader = StudyReader(url)
    reader.view("digits")
    study[0].set_message("one more look")
    assert reader._engine is not None
    statements: list[str] = []
    sa.event.listen(reader._engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    reader.view("digits")
    assert any("gatefront_networks.metrics" in statement for statement in statements)
    assert not any("gate_map" in statement for statement in statements)


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Back to an earlier release's schema, by the migrations' own way back."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    back = EnvironmentContext(config, scripts, fn=lambda current, _: scripts._downgrade_revs(revision, current))
    with engine.begin() as connection, back as environment:
        environment.configure(connection=connection, version_table=migrate.VERSION_TABLE)
        environment.run_migrations()


def test_a_database_of_the_first_release_is_read_and_upgraded(study: Study, url: str, engine: sa.Engine) -> None:
    store, _ = study
    number = complete(study, result(-4.0, 50 * UNIT))
    downgrade(engine, "0001")
    assert "gatefront_derived_points" not in sa.inspect(engine).get_table_names()
    reader = StudyReader(url)
    assert front(reader.view("digits")) == ["0"]
    assert reader.trial("digits", number).derived == ()
    assert "gatefront_networks" in sa.inspect(engine).get_table_names()
    store.complete_trial(number, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT)))
    assert front(StudyReader(url).view("digits")) == ["0", "0.1"]


def test_a_database_of_schema_0009_keeps_every_network_and_parameter(study: Study, url: str, engine: sa.Engine) -> None:
    number = complete(study, result(-4.0, 50 * UNIT, derived(1, -5.0, 40 * UNIT), flop_target=51 * UNIT))
    store, optuna_study = study
    attributes = {"initial": {"label": "rooms 7.1", "path": "x.pt"}}
    optuna_study.enqueue_trial({"tau": 0.5, "rate": 3, "kind": None}, user_attrs=attributes)
    kinds = CategoricalDistribution((None, "adam", True))
    trial = optuna_study.ask({"tau": FloatDistribution(0, 1), "rate": IntDistribution(1, 9), "kind": kinds})
    store.open_trial(trial.number, params=trial.params, seed=1, num_epochs=3, initial="rooms 7.1")

    def known() -> tuple[object, ...]:
        reader = StudyReader(url)
        view = reader.view("digits")
        traces = [reader.provenance("digits", found).initial for found in (number, trial.number)]
        return view.points, view.derived, view.summary, reader.trial("digits", number), traces

    before = known()
    assert StudyReader(url).view("digits").points[1].params == {"tau": 0.5, "rate": 3, "kind": None}
    downgrade(engine, "0009")
    assert "gatefront_networks" not in sa.inspect(engine).get_table_names()
    assert known() == before
    assert "gatefront_derived_points" not in sa.inspect(engine).get_table_names()


def test_network_files_lie_beside_the_trial_s(study: Study, url: str) -> None:
    reader = StudyReader(url)
    assert reader.network_path("digits", 7) == Path("/data/runs/digits/trials/7/network.pt")
    assert reader.network_path("digits", 7, 2) == Path("/data/runs/digits/trials/7/derived-2.pt")
