"""What goes from a study's disk is what nobody can need, and the front can be pulled whatever happens to it."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.bundle.selection import choose_point
from gatefront.search.config.quantities import parse_disk_quota
from gatefront.search.driver import disk_guard as keeper_module
from gatefront.search.driver.disk_guard import DiskGuard
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.errors import AmendmentError, StudyFileError
from gatefront.search.results.pareto import pareto_front
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import TrialState
from gatefront.search.service.amendments import unvoid_trial, void_trial
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.artifacts import collect_garbage, find_garbage
from gatefront.search.storage.artifacts.disk_usage import disk_use
from gatefront.search.storage.artifacts.files import FileKind, trial_files
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.artifacts.retention import kept_networks
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.tables.schema import StudyRow

RESUME = ("checkpoint-000003-" + "0" * 32 + ".pt", "learned.pt", "derived-1.json", ".checkpoint.pt-abc123")
NETWORKS = ("network.pt", "derived-1.pt")
OTHERS = ("failure.txt", "worker.log", "worker.txt", "notes of mine.pt")


@pytest.fixture
def folders(tmp_path: Path) -> StudyFolders:
    return StudyFolders(tmp_path, "table")


@dataclass
class Points:
    """A study whose networks lie on a disk, and what a person does to its trials."""

    run: Any
    url: str
    folders: StudyFolders

    @property
    def front(self) -> set[tuple[int, int]]:
        return {(p.number, p.derived) for p in StudyReader(self.url).view("table").all_points if p.on_front}

    def can_be_pulled(self, key: tuple[int, int]) -> bool:
        return self.folders.network(*key).is_file()

    def gc(self) -> int:
        view = StudyReader(self.url).view("table")
        return collect_garbage(find_garbage(self.folders, view, networks=True)).num_networks

    def void(self, number: int) -> None:
        void_trial(open_engine(self.url), "table", number, "wrong labels")

    def unvoid(self, number: int) -> None:
        unvoid_trial(open_engine(self.url), "table", number)


@pytest.fixture
def points(open_table_study: Callable[..., Any], make_derived: Callable[..., Any], folders: StudyFolders) -> Points:
    """Six trials, each worse than the one before in both of its points."""
    run = open_table_study(max_concurrent=9)
    engine = open_engine(run.url)
    with engine.begin() as connection:
        connection.execute(sa.update(StudyRow).values(storage_dir=str(folders.storage)))
    for number in range(6):
        run.searcher.suggest(f"ray{number}")
        derived = (make_derived(1, delta_mtl=-3.0 - number, flops=300 + number),)
        run.finish(f"ray{number}", delta_mtl=-1.0 - number, flops=400 + number, derived=derived)
        _fill(folders, number)
    return Points(run, run.url, folders)


class TestVoidsAfterwards:
    def test_voids_go_on_until_a_network_is_missed_and_say_what_else_must_be_void(self, points: Points) -> None:
        assert points.gc() == 6
        points.void(0)
        points.void(1)
        assert points.front == {(2, 0), (2, 1)}
        with pytest.raises(AmendmentError, match=r"3, 3\.1 would stand on the front") as refused:
            points.void(2)
        assert "void first: 3, 4, 5." in (refused.value.hint or "")
        assert points.front == {(2, 0), (2, 1)}
        for number in range(3, 6):
            points.void(number)
        points.void(2)
        assert points.front == set()
        with pytest.raises(AmendmentError, match="network, which was taken away"):
            points.unvoid(5)
        points.unvoid(1)
        assert points.front == {(1, 0), (1, 1)}
        # Behind the front nobody misses its network.
        points.unvoid(5)
        assert points.front == {(1, 0), (1, 1)}

    def test_back_and_forth_the_front_can_be_pulled(self, points: Points) -> None:
        chance = random.Random(3)
        refused = 0
        for step in range(60):
            number = chance.randrange(6)
            is_void = number in points.run.store.void_trials()
            try:
                (points.unvoid if is_void else points.void)(number)
            except AmendmentError:
                refused += 1
            if step % 7 == 6:
                points.gc()
            assert all(points.can_be_pulled(key) for key in points.front)
        assert 0 < refused < 50

    def test_where_the_storage_cannot_be_seen_nothing_is_refused(self, points: Points) -> None:
        trials = points.folders.trial(0).parent
        trials.rename(trials.with_name("elsewhere"))
        for number in range(6):
            points.void(number)
        points.unvoid(5)
        assert points.front == {(5, 0), (5, 1)}


def _fill(folders: StudyFolders, number: int, size: int = 10) -> None:
    folders.trial(number).mkdir(parents=True)
    for name in (*RESUME, *NETWORKS, *OTHERS):
        (folders.trial(number) / name).write_bytes(b"x" * size)


def _names(folders: StudyFolders, number: int) -> set[str]:
    return {path.name for path in folders.trial(number).iterdir()}


@pytest.fixture
def view(open_table_study: Callable[..., Any], make_derived: Callable[..., Any]) -> StudyView:
    """Trials 0 to 4: on the front, dominated by it, failed, stopped with the study, voided."""
    run = open_table_study(max_concurrent=9)
    for number in range(5):
        run.searcher.suggest(f"ray{number}")
    run.finish("ray0", delta_mtl=-1.0, flops=400, derived=(make_derived(1, delta_mtl=-2.0, flops=300),))
    run.finish("ray1", delta_mtl=-9.0, flops=500, derived=(make_derived(1, delta_mtl=-9.5, flops=450),))
    run.work("ray2", _failed())
    run.finish("ray4", delta_mtl=0.0, flops=100)
    _void(run, 4)
    return StudyReader(run.url).view("table")


def _failed() -> Any:
    from gatefront.search.driver.worker.messages import TrialFailed

    return TrialFailed("no reason")


def _void(run: Any, number: int) -> None:
    void_trial(open_engine(run.url), "table", number, "wrong labels")


def test_only_what_is_useless_goes_by_itself(folders: StudyFolders, view: StudyView) -> None:
    for number in range(5):
        _fill(folders, number)
    (folders.trial(0).parent / "not a trial").mkdir()
    everything = {*RESUME, *NETWORKS, *OTHERS}
    planned = find_garbage(folders, view, networks=False)
    assert all(file.path.exists() for file in planned.files)
    assert collect_garbage(planned) == planned
    assert _names(folders, 0) == _names(folders, 1) == _names(folders, 4) == everything - set(RESUME)
    assert _names(folders, 2) == set(OTHERS)
    # Trial 3 is to be gone on with.
    assert _names(folders, 3) == everything
    assert find_garbage(folders, view, networks=False).files == ()


def test_networks_go_from_far_behind_the_front_only(folders: StudyFolders, view: StudyView) -> None:
    _fill(folders, 0)
    _fill(folders, 1)
    # Dominated, but the best there is if trial 0 should not count.
    assert find_garbage(folders, view, networks=True).num_networks == 0
    assert {(0, 0), (0, 1), (1, 0)} <= kept_networks(view)
    assert (1, 0) not in kept_networks(view, spare=0)


def test_nothing_goes_that_another_study_goes_on_from(folders: StudyFolders, view: StudyView) -> None:
    many = _view_of(view, [(-float(n), 100 + n) for n in range(9)])
    for number in range(9):
        _fill(folders, number)
    assert find_garbage(folders, many, networks=True).num_networks > 0
    assert find_garbage(folders, many, networks=True, later_studies=["another"]).num_networks == 0


def test_what_a_budget_asks_for_can_be_pulled_afterwards(folders: StudyFolders, view: StudyView) -> None:
    many = _view_of(view, [(-float(n * 7 % 10), 100 + n) for n in range(20)])
    for number in range(20):
        _fill(folders, number)
    assert collect_garbage(find_garbage(folders, many, networks=True)).num_networks > 0
    for budget in [None, *range(100, 120)]:
        point = choose_point(many, budgets=replace(many.summary.budgets, flops=budget), label=None)
        assert folders.network(point.number, point.derived).is_file()
    assert all(folders.network(point.number).is_file() for point in many.points if point.on_front)


@given(
    values=st.lists(st.tuples(st.integers(-6, 0), st.integers(1, 6)), min_size=1, max_size=9),
    derived=st.integers(1, 3),
)
def test_whichever_two_trials_fall_the_new_front_is_kept(values: list[tuple[int, int]], derived: int) -> None:
    points = {(place // derived, place % derived): (float(delta), flops) for place, (delta, flops) in enumerate(values)}
    kept = kept_networks(_bare_view(points))
    numbers = sorted({number for number, _ in points})
    for fallen in itertools.combinations(numbers, min(2, len(numbers))):
        rest = {key: value for key, value in points.items() if key[0] not in fallen}
        front = pareto_front(list(rest.values()))
        assert {key for key, is_on in zip(rest, front, strict=True) if is_on} <= kept


def test_bytes_are_told_apart(folders: StudyFolders, view: StudyView) -> None:
    assert disk_use(folders).total == 0
    _fill(folders, 0, size=1000)
    folders.ray.mkdir(parents=True)
    (folders.ray / "state.json").write_bytes(b"y" * 500)
    use = disk_use(folders, quota=7)
    assert (use.networks, use.resume_points) == (2000, 4000)
    assert use.other == 4000 + 500
    assert use.total == sum(file.num_bytes for file in trial_files(folders)) + 500
    assert use.free > 0
    assert use.quota == 7
    assert sum(file.kind is FileKind.OTHER for file in trial_files(folders)) == len(OTHERS)


def test_what_may_fall_when_it_is_repeated_is_counted_with(folders: StudyFolders, view: StudyView) -> None:
    many = _view_of(view, [(-float(n), 100 + n) for n in range(9)])
    for number in range(9):
        _fill(folders, number)
    going = [find_garbage(folders, many, networks=True, repeated=repeated).num_networks for repeated in range(3)]
    assert [before - after for before, after in itertools.pairwise(going)] == [1, 1]


class TestKeeper:
    @pytest.fixture
    def guard(self, folders: StudyFolders, view: StudyView) -> DiskGuard:
        many = _view_of(view, [(-float(n), 100 + n) for n in range(9)])
        for number in range(9):
            _fill(folders, number, size=1000)
        now = itertools.count(step=100)
        return DiskGuard(
            folders=folders,
            view=lambda: many,
            later_studies=tuple,
            stop_request=StopRequest(),
            quota=None,
            trial_bytes=1000,
            num_workers=2,
            clock=lambda: float(next(now)),
        )

    def test_without_pressure_only_resume_points_go(self, guard: DiskGuard) -> None:
        guard.begin()
        guard.before_trial()
        use = disk_use(guard.folders)
        assert (use.resume_points, use.networks) == (0, 18000)
        assert not guard.stop_request.is_requested

    def test_a_trial_that_ended_leaves_its_networks(self, guard: DiskGuard) -> None:
        guard.trial_ended(1, TrialState.COMPLETE)
        guard.trial_ended(2, TrialState.FAILED)
        assert _names(guard.folders, 1) == {*NETWORKS, *OTHERS}
        assert _names(guard.folders, 2) == set(OTHERS)
        assert RESUME[0] in _names(guard.folders, 3)

    def test_under_pressure_far_networks_go_and_the_study_goes_on(self, guard: DiskGuard) -> None:
        guard.begin()
        guard.quota = disk_use(guard.folders).total + 1000
        guard.before_trial()
        # Each of the nine points dominates the next: three of them stay.
        assert disk_use(guard.folders).networks == 3000
        assert (guard.folders.network(0)).exists()
        assert not guard.stop_request.is_requested

    def test_a_full_quota_ends_the_study_with_its_reason(self, guard: DiskGuard) -> None:
        guard.quota = 10_000
        guard.before_trial()
        assert guard.stop_request.is_requested
        assert "disk_quota" in guard.stop_request.reason
        assert "9.8 KiB" in guard.stop_request.reason

    def test_a_full_disk_ends_the_study_and_a_freed_one_does_not(
        self, guard: DiskGuard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = keeper_module.disk_use
        monkeypatch.setattr(keeper_module, "disk_use", lambda *a: replace(real(*a), free=keeper_module._RESERVE))
        guard.before_trial()
        assert "only 64.0 MiB left" in guard.stop_request.reason
        guard.stop_request = StopRequest()
        monkeypatch.undo()
        guard.before_trial()
        assert not guard.stop_request.is_requested


@pytest.mark.parametrize(("text", "size"), [("40G", 40 * 2**30), ("500 MiB", 500 * 2**20), ("0.5T", 2**39)])
def test_quotas_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_disk_quota(text) == size


@pytest.mark.parametrize("text", ["", "40", "40g", "-1G", "0G", "G", "1e3M", "40GB"])
def test_what_is_no_quota_is_refused(text: str) -> None:
    with pytest.raises(StudyFileError, match="disk_quota"):
        parse_disk_quota(text)


def _view_of(view: StudyView, values: list[tuple[float, int]]) -> StudyView:
    """The view with complete trials of these values instead, their places on the front put right."""
    on_front = pareto_front(values)
    pattern = view.points[0]
    points = tuple(
        replace(pattern, number=number, delta_mtl=delta, flops=flops, on_front=is_on)
        for number, ((delta, flops), is_on) in enumerate(zip(values, on_front, strict=True))
    )
    return replace(view, points=points, derived=(), replicates=())


def _bare_view(points: dict[tuple[int, int], tuple[float, int]]) -> Any:
    from types import SimpleNamespace

    front = pareto_front(list(points.values()))
    rows = tuple(
        SimpleNamespace(
            number=number,
            derived=derived,
            state=TrialState.COMPLETE,
            expected_delta_mtl=delta,
            flops=flops,
            on_front=is_on,
            confirmation=None,
            latency_ms=None,
        )
        for ((number, derived), (delta, flops)), is_on in zip(points.items(), front, strict=True)
    )
    return SimpleNamespace(all_points=rows, points=(), replicates=(), best=None)
