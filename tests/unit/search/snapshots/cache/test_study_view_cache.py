"""What a reader keeps is what a full read finds, after whatever may happen to a study."""

import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from sqlalchemy.orm import Session

from gatefront.search.results.records import StudyView
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.amendments import unvoid_trial, void_trial
from gatefront.search.snapshots.cache.ordered_merge import ordered_merge
from gatefront.search.snapshots.cache.study_view_cache import StudyViewCache
from gatefront.search.snapshots.cache.view_cache_registry import ViewCacheRegistry
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.snapshots.study_rows import read_study_rows
from gatefront.search.snapshots.study_view import study_view
from gatefront.search.storage.database.engine import open_engine, open_optuna_storage
from gatefront.search.storage.database.migrate import upgrade_schema
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.trainer.reporting import EpochReport, NetworkResult, ReferenceResult, TrialResult

SINGLE_TASK, BUDGET = 100, 60
MAP = GateMap(tasks=("a",), sites=(GateSite(name="conv1", own=("10",), flops_per_channel=5.0),))
ACTIONS = ("open", "open", "repeat", "epoch", "complete", "complete", "tell", "fail", "stop", "void", "unvoid",
           "requeue", "reference", "look")  # fmt: skip


class Life:
    """A study to which things happen; which of them, and to which trial, is drawn."""

    def __init__(self, folder: Path, *, is_timed: bool = False) -> None:
        shutil.copy(empty_database(), folder / "gatefront.db")
        self.url = f"sqlite:///{folder}/gatefront.db"
        self.engine = open_engine(self.url)
        storage = open_optuna_storage(self.url)
        rule = {"budget_ms": 5.0, "is_objective": True}
        self.store = StudyStore.create(self.engine, new_study(rule if is_timed else None))
        self.study = optuna.create_study(
            storage=storage,
            study_name="s",
            directions=["maximize", "minimize"],
            sampler=optuna.samplers.RandomSampler(0),
        )
        self.asked: list[optuna.Trial] = []
        self.untold: dict[int, TrialResult] = {}

    def act(self, action: str, chance: random.Random) -> None:
        states = self.store.told_states()
        running = [number for number, state in states.items() if state is TrialState.RUNNING]
        done = [n for n, s in self.store.trial_states().items() if s is TrialState.COMPLETE]
        match action:
            case "open" | "repeat":
                self._open(chance.choice(done) if done and action == "repeat" else None)
            case "epoch" if running:
                self.store.record_epoch(chance.choice(running), epoch())
            case "complete" if running:
                number = chance.choice(running)
                self.untold[number] = outcome(chance)
                self.store.complete_trial(number, self.untold[number])
            case "tell" if self.untold:
                number, told = self.untold.popitem()
                self.study.tell(self.asked[number], [told.delta_mtl, told.flops])
                self.store.set_message(f"told {number}")
            case "fail" if running:
                self.store.fail_trial(chance.choice(running), "it broke")
            case "stop" if running:
                self.store.stop_trial_early(chance.choice(running), "it is dominated")
            case "requeue" if running:
                number = chance.choice(running)
                self.store.requeue_trial(number)
                self.store.start_attempt(number, "host:2")
            case "void" if done:
                void_trial(self.engine, "s", chance.choice(done), chance.choice(("a broken GPU", "a\n9 broken\n\nGPU")))
            case "unvoid" if self.store.void_trials():
                unvoid_trial(self.engine, "s", min(self.store.void_trials()))
            case "reference":
                self.store.record_reference("hard_sharing", hard_sharing(), is_baseline=True, delta_mtl=-10.0)

    def _open(self, confirms: int | None) -> None:
        trial = self.study.ask({"tau": FloatDistribution(0, 1)})
        self.asked.append(trial)
        self.store.open_trial(trial.number, params=trial.params, seed=1, num_epochs=4, confirms=confirms)
        self.store.start_attempt(trial.number, "host:1")

    def kept_and_full(self, kept: StudyViewCache) -> tuple[StudyView, StudyView]:
        now = datetime.now(UTC)
        with Session(self.engine) as session:
            row = session.get_one(StudyRow, "s")
            return kept.view(session, row, now), study_view(read_study_rows(session, row), now)


@cache
def empty_database() -> Path:
    """With all tables: to make them takes longer than a whole life."""
    path = Path(tempfile.mkdtemp()) / "empty.db"
    open_optuna_storage(f"sqlite:///{path}").engine.dispose()
    engine = open_engine(f"sqlite:///{path}")
    upgrade_schema(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    return path


def new_study(latency: dict[str, object] | None) -> StudyRow:
    return StudyRow(
        name="s", file_text="", created_at=datetime.now(UTC), num_trials=9, num_workers=2, seed=0, flop_budget=BUDGET,
        flop_budget_text="60%", single_task_flops=SINGLE_TASK, hard_sharing_flops=30, floor_flops=30, ceiling_flops=100,
        tasks=[{"name": "a", "kind": "depth", "metric": "RMSE m", "higher_is_better": False}], data="digits",
        backbone="smallconv", storage_dir="runs", state=StudyState.STOPPED, latency=latency,
    )  # fmt: skip


def outcome(chance: random.Random) -> TrialResult:
    delta_mtl, flops = float(chance.randint(-9, 2)), chance.randint(30, BUDGET)
    derived = tuple(
        NetworkResult(
            index=index, flop_target=flops, metrics={"a": 1.0}, delta_per_task={"a": 0.0},
            delta_mtl=float(chance.randint(-9, 2)), flops=chance.randint(30, BUDGET), num_parameters=5, gate_map=MAP,
            seconds=1.0, train_flops=1.0, network_path="x.pt",
        )
        for index in range(1, 1 + chance.randint(0, 2))
    )  # fmt: skip
    return TrialResult(
        metrics={"a": 1.0}, delta_per_task={"a": delta_mtl}, delta_mtl=delta_mtl, flops=flops, flop_budget=BUDGET,
        flops_before_cut=flops, num_parameters=5, gate_map=MAP, seconds=2.0, device="cpu", train_flops=1.0,
        peak_memory_mib=1.0, environment={"gpus_held": "0"}, network_path="x.pt", derived=derived,
        latency_ms=chance.choice((1.0, 4.0, 9.0)),
    )  # fmt: skip


def epoch() -> EpochReport:
    return EpochReport(
        epoch=1, num_epochs=4, phase="train", losses={"a": 1.0}, metrics={"a": 1.0}, learning_rate=0.1, seconds=1.5
    )


def hard_sharing() -> ReferenceResult:
    return ReferenceResult(
        kind="hard_sharing", key="k", tasks=("a",), metrics={"a": 1.0}, flops=30, num_parameters=4, seconds=1.0,
        train_flops=1.0, path="x.pt", from_cache=False,
    )  # fmt: skip


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # A shorter life is no clearer, and takes minutes to find.
)
@given(
    actions=st.lists(st.sampled_from(ACTIONS), min_size=8, max_size=24), seed=st.integers(0, 99), is_timed=st.booleans()
)
def test_what_is_kept_is_what_a_full_read_finds(
    tmp_path_factory: pytest.TempPathFactory, actions: list[str], seed: int, is_timed: bool
) -> None:
    life, kept, chance = Life(tmp_path_factory.mktemp("life"), is_timed=is_timed), StudyViewCache(), random.Random(seed)
    reader = StudyReader(life.url)
    for action in ["open", *actions, "look"]:
        if action == "look":
            one, other = life.kept_and_full(kept)
            assert one == other
            numbers = [point.number for point in (*other.points, *other.replicates)]
            fresh = StudyReader(life.url)
            assert [reader.trial("s", number) for number in numbers] == [fresh.trial("s", number) for number in numbers]
        else:
            life.act(action, chance)
    life.engine.dispose()


def test_a_view_handed_out_does_not_change_afterwards(tmp_path: Path) -> None:
    life, kept, chance = Life(tmp_path), StudyViewCache(), random.Random(3)
    for action in ("reference", "open", "open", "complete", "tell"):
        life.act(action, chance)
    earlier, same = life.kept_and_full(kept)
    for action in ("complete", "tell", "void"):
        life.act(action, chance)
    later, _ = life.kept_and_full(kept)
    assert earlier == same
    assert later != earlier


def test_only_what_changed_is_read(tmp_path: Path) -> None:
    life, kept, chance = Life(tmp_path), StudyViewCache(), random.Random(1)
    for action in ("open", "complete", "tell") * 8:
        life.act(action, chance)
    life.kept_and_full(kept)
    life.act("open", chance)
    assert read_numbers(life, lambda session, row: kept.view(session, row, datetime.now(UTC))) == {8}


def read_numbers(life: Life, look: Callable[[Session, StudyRow], object]) -> set[int]:
    """The trials of which the whole row was read."""
    found: list[int] = []
    with Session(life.engine) as session:
        row = session.get_one(StudyRow, "s")

        def note(_c: object, _u: object, statement: str, parameters: tuple[object, ...], *_: object) -> None:
            if "gatefront_trials.params" in statement and "IN (" in statement:
                found.extend(value for value in parameters if isinstance(value, int))

        sa.event.listen(life.engine, "before_cursor_execute", note)
        look(session, row)
    return set(found)


def test_the_list_reads_a_study_again_only_if_it_changed(tmp_path: Path) -> None:
    life, chance = Life(tmp_path), random.Random(1)
    life.act("open", chance)
    reader = StudyReader(life.url)
    (before,) = reader.list_studies()
    assert reader._engine is not None
    statements: list[str] = []
    sa.event.listen(reader._engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    assert reader.list_studies() == (before,)
    assert not any("gatefront_trials" in statement for statement in statements)
    life.act("open", chance)
    assert reader.list_studies() == (reader.view("s").summary,) != (before,)


def test_a_study_started_anew_under_its_name_is_another_one(tmp_path: Path) -> None:
    life, views = Life(tmp_path), ViewCacheRegistry()
    life.act("open", random.Random(0))
    with Session(life.engine) as session:
        row = session.get_one(StudyRow, "s")
        assert len(views.view(session, row, datetime.now(UTC)).points) == 1
        session.execute(sa.text("DELETE FROM gatefront_trials"))
        row.created_at = datetime(2030, 1, 1, tzinfo=UTC)
        assert views.view(session, row, datetime.now(UTC)).points == ()


def test_parts_of_a_page_that_ask_for_one_trial_read_it_once(tmp_path: Path) -> None:
    life, chance = Life(tmp_path), random.Random(1)
    for action in ("open", "epoch", "complete", "tell", "open", "epoch"):
        life.act(action, chance)
    reader = StudyReader(life.url)
    before = [reader.trial("s", number) for number in (0, 1)]
    assert reader._engine is not None
    statements: list[str] = []
    sa.event.listen(reader._engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    assert [reader.trial("s", number) for number in (0, 1)] == before
    assert not any("gatefront_epochs" in statement for statement in statements)
    life.store.record_epoch(1, replace(epoch(), epoch=2))
    assert reader.trial("s", 0) == before[0]
    assert len(reader.trial("s", 1).epochs) == len(before[1].epochs) + 1


@given(st.dictionaries(st.integers(0, 30), st.integers()), st.dictionaries(st.integers(0, 30), st.integers()))
def test_in_order_is_a_sorted_union(kept: dict[int, int], further: dict[int, int]) -> None:
    wanted = dict(sorted((kept | further).items()))
    assert list(ordered_merge(dict(sorted(kept.items())), further).items()) == list(wanted.items())
