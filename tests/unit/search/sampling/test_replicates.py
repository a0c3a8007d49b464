"""The best trials are repeated with other seeds: handed out once, kept apart, and heard in every conclusion."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.driver.worker.messages import TrialFailed
from gatefront.search.results.best_point import best_point
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.search.sampling.replicates import due_replicates
from gatefront.search.service.amendments import extend, void_trial
from gatefront.search.snapshots.front_membership import FrontStatus, front_statuses
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.snapshots.study_rows import StudyRows
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.trainer.reporting import ReferenceResult

OpenStudy = Callable[..., Any]

SEARCHED = ((-2.0, 500), (-4.0, 450), (-1.0, 590), (-6.0, 420), (-1.5, 550), (-3.0, 480))
"""Δ_MTL and FLOPs of six trials; on the front: 2, 4, 0, 5, 1, 3 from the best Δ_MTL down."""

HARD_SHARING = ReferenceResult(
    kind="hard_sharing", key="k", tasks=("left", "right"), metrics={"left": 80.0, "right": 70.0}, flops=400,
    num_parameters=10, seconds=0.0, train_flops=1e9, path="x.pt", from_cache=False,
)  # fmt: skip
TWO_OF_TWO = """
[study]
name = "table"
flop_budget = "600"
trials = 6
confirm_points = 2
confirm_seeds = 2
[data]
name = "digits"
[gates]
tau = {low = 0.0, high = 1.0}
"""


def view(study: Any) -> StudyView:
    return StudyReader(study.url).view("table")


def search_all(study: Any, outcomes: Sequence[tuple[float, int]] = SEARCHED) -> None:
    study.store.record_reference("hard_sharing", HARD_SHARING, is_baseline=True, delta_mtl=-10.0)
    for position, (delta_mtl, flops) in enumerate(outcomes):
        study.searcher.suggest(f"ray{position}")
        study.finish(f"ray{position}", delta_mtl=delta_mtl, flops=flops)


def repeat_all(study: Any, *deltas: float, **changes: Any) -> list[int]:
    """Run the next round; the numbers that were handed out."""
    work = next(study.progress.phases())
    assert not work.is_search
    study.searcher = study.hand_out(work)
    numbers = []
    for position, delta_mtl in enumerate(deltas):
        numbers.append(study.searcher.suggest(f"repeat{position}")["trial_number"])
        study.finish(f"repeat{position}", delta_mtl=delta_mtl, **changes)
    return numbers


def test_the_search_comes_first_and_then_nothing_but_the_repeats(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=1)
    kinds = []
    for work in study.progress.phases():
        kinds.append((work.is_search, work.limit))
        study.searcher = study.hand_out(work)
        for position in range(work.limit):
            study.searcher.suggest(f"{work.is_search}{position}")
            study.finish(f"{work.is_search}{position}")
    assert kinds == [(True, 6), (False, 3)]
    assert open_table_study().progress.due_replicates() == []


def test_repeats_have_the_parameters_of_the_best_and_are_counted_apart(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    assert repeat_all(study, -1.4, -1.2, -1.3) == [6, 7, 8]
    found = view(study)
    assert [point.number for point in found.points] == [0, 1, 2, 3, 4, 5]
    assert found.summary.state_counts == {TrialState.COMPLETE: 6}
    assert [(replicate.number, replicate.confirms) for replicate in found.replicates] == [(6, 2), (7, 2), (8, 2)]
    assert all(replicate.params == found.points[2].params for replicate in found.replicates)
    assert not any(replicate.on_front for replicate in found.replicates)
    assert len(found.hypervolume) == 6
    assert found.summary.seconds_spent == 9 * 12.0
    assert [point.number for point in found.trials] == list(range(9))
    assert next(study.progress.phases(), None) is None


def test_the_front_shows_the_mean_and_how_sure_it_is(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    before = view(study).summary
    repeat_all(study, -1.7, -1.5, -1.6)
    found = view(study)
    best = found.points[2]
    assert best.confirmation is not None
    assert (best.delta_mtl, best.expected_delta_mtl, best.confirmation.seeds) == (-1.0, pytest.approx(-1.6), 3)
    # Trial 4 was measured at -1.5 once and costs less, but that lies within the interval: both stay on the front.
    assert best.confirmation.high == pytest.approx(-1.6 + 0.2484, abs=1e-3)
    assert [point.number for point in found.points if point.on_front] == [0, 1, 2, 3, 4, 5]
    assert before.hypervolume_band is None
    after = found.summary
    assert after.hypervolume_band is not None
    low, high = after.hypervolume_band
    assert low <= after.hypervolume <= high
    assert after.hypervolume < before.hypervolume
    assert found.hypervolume[-1].hypervolume == after.hypervolume


def test_luck_does_not_win_against_a_confirmed_point(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    assert view(study).summary.best_label == "2"
    # Mean -1.6 with an interval of 1.24 on either side: -1.5, measured once, is not above it.
    repeat_all(study, -2.1, -1.1, -1.6)
    summary = view(study).summary
    assert (summary.best_label, summary.best_delta_mtl) == ("2", pytest.approx(-1.6))


def test_what_lies_above_the_interval_does(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    repeat_all(study, -3.0, -3.1, -3.05)
    found = view(study)
    assert (found.summary.best_label, found.summary.best_delta_mtl) == ("4", -1.5)
    assert [point.number for point in found.points if point.on_front] == [0, 1, 3, 4, 5]


def test_derived_points_are_confirmed_with_their_trial(open_table_study: OpenStudy, make_derived: Any) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study, SEARCHED[:5])
    study.searcher.suggest("last")
    own = make_derived(1, delta_mtl=-0.9, flops=440)
    study.finish("last", delta_mtl=-0.5, flops=580, derived=(own, make_derived(2, delta_mtl=-8.0, flops=410)))
    work = next(study.progress.phases())
    study.searcher = study.hand_out(work)
    for position, luck in enumerate((0.5, 0.0, -0.5)):
        study.searcher.suggest(f"repeat{position}")
        point = make_derived(1, delta_mtl=-1.0 + luck, flops=441)
        study.finish(f"repeat{position}", delta_mtl=-0.9 + luck, flops=579, derived=(point,))
    found = view(study)
    derived = {point.label: point for point in found.derived}
    assert list(derived) == ["5.1", "5.2"]
    assert derived["5.1"].confirmation is not None
    assert derived["5.1"].confirmation.mean == pytest.approx(-1.0)
    assert derived["5.2"].confirmation is None
    # Own and derived differ by a tenth in every seed: less than the seeds do, and yet never the other way round.
    assert (found.points[5].tied_with, derived["5.1"].tied_with) == ((), ())
    assert {point.label for point in found.replicates if point.derived} == {"6.1", "7.1", "8.1"}


def test_neighbours_that_overlap_are_tied(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9, text=TWO_OF_TWO)
    search_all(study)
    repeat_all(study, -1.0, -1.2, -1.3, -1.4)
    found = view(study)
    assert [(replicate.number, replicate.confirms) for replicate in found.replicates] == [
        (6, 2),
        (7, 2),
        (8, 4),
        (9, 4),
    ]
    assert (found.points[2].tied_with, found.points[4].tied_with) == (("4",), ("2",))
    # Trial 0 is a neighbour of 4 as well, and nobody knows how sure it is.
    assert found.points[0].tied_with == ()


def test_a_repeat_that_was_interrupted_goes_on(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    study.searcher = study.hand_out(next(study.progress.phases()))
    for name in "ab":
        study.searcher.suggest(name)
    study.work("a")
    study.finish("b", delta_mtl=-1.2)

    again = open_table_study(max_concurrent=9)
    assert [trial.number for trial in again.recovery.replicates] == [6]
    assert (again.recovery.adopted, again.recovery.num_left) == ((), 0)
    work = next(again.progress.phases())
    again.searcher = again.hand_out(work)
    assert [again.searcher.suggest(f"r{n}")["trial_number"] for n in range(work.limit)] == [6, 8]
    assert [(replicate.number, replicate.confirms) for replicate in view(again).replicates] == [(6, 2), (7, 2), (8, 2)]
    for name in ("r0", "r1"):
        again.finish(name, delta_mtl=-1.2)
    assert next(again.progress.phases(), None) is None


def test_a_driver_that_died_between_optuna_and_our_row_repeats_no_more_than_asked(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    next(study.progress.phases()).ask()
    again = open_table_study(max_concurrent=9)
    work = next(again.progress.phases())
    assert (len(work.adopted), work.limit) == (1, 3)


def test_repeats_are_hidden_from_the_sampler(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    repeat_all(study, -1.4, -1.2, -1.3)
    study.store.set_message("")
    extend(study.store._engine, "table", 1)
    again = open_table_study(max_concurrent=9)
    other = open_table_study(max_concurrent=9)
    for trial in other.study.get_trials(deepcopy=False):
        assert (trial.number >= 6) == ("confirms" in trial.user_attrs)
    shown = again.study.sampler._shown(again.study).get_trials(deepcopy=False)
    assert [trial.number for trial in shown] == list(range(6))
    work = next(again.progress.phases())
    assert (work.is_search, work.limit) == (True, 1)


def test_after_an_extension_a_new_best_is_repeated_too(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    repeat_all(study, -1.4, -1.2, -1.3)
    extend(study.store._engine, "table", 1)
    again = open_table_study()
    again.searcher.suggest("more")
    again.finish("more", delta_mtl=0.5, flops=599)
    assert again.progress.due_replicates() == [9, 9, 9]


def test_void_repeats_are_made_up_for_and_failed_ones_are_not(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    study.searcher = study.hand_out(next(study.progress.phases()))
    for name in "abc":
        study.searcher.suggest(name)
    study.finish("a", delta_mtl=-1.2)
    study.finish("b", delta_mtl=-1.4)
    study.work("c", TrialFailed("out of memory"))
    assert study.progress.due_replicates() == []
    found = view(study).points[2].confirmation
    assert found is not None
    assert found.seeds == 2
    void_trial(study.store._engine, "table", 6, "the wrong data")
    assert study.progress.due_replicates() == [2]
    assert view(study).points[2].confirmation is None


def test_repeats_of_a_void_trial_say_nothing(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    repeat_all(study, -1.4, -1.2, -1.3)
    void_trial(study.store._engine, "table", 2, "the wrong data")
    found = view(study)
    assert all(point.confirmation is None for point in found.points)
    assert found.summary.best_label == "4"
    assert found.summary.hypervolume_band is None


@pytest.mark.parametrize(
    ("points", "seeds", "due"),
    [(0, 3, []), (1, 3, [2, 2, 2]), (2, 2, [2, 2, 4, 4]), (99, 1, [2, 4, 0, 5, 1, 3])],
)
def test_how_many_are_due(open_table_study: OpenStudy, points: int, seeds: int, due: list[int]) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    assert due_replicates(view(study), points=points, seeds=seeds) == due


def test_a_study_without_a_front_has_nothing_to_repeat(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    for position in range(6):
        study.searcher.suggest(f"ray{position}")
        study.work(f"ray{position}", TrialFailed("the loss is nan"))
    assert next(study.progress.phases(), None) is None


def test_a_trial_that_was_derived_from_is_repeated_once(open_table_study: OpenStudy, make_derived: Any) -> None:
    study = open_table_study(max_concurrent=9)
    study.searcher.suggest("a")
    study.finish("a", delta_mtl=-1.0, flops=590, derived=(make_derived(1, delta_mtl=-1.2, flops=440),))
    study.searcher.suggest("b")
    study.finish("b", delta_mtl=-3.0, flops=420)
    # The two best points are of one trial; the third is not asked for.
    assert due_replicates(view(study), points=2, seeds=3) == [0, 0, 0]


def test_an_extension_during_the_search_is_taken_up_by_it(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    phases = study.progress.phases()
    next(phases)
    search_all(study)
    extend(study.store._engine, "table", 2)
    work = next(phases)
    assert (work.is_search, work.limit) == (True, 2)


def test_a_round_that_came_to_nothing_is_the_last(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    phases = study.progress.phases()
    assert next(phases).limit == 6
    assert next(phases, None) is None


def test_nothing_is_begun_once_a_drain_is_requested(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=9)
    search_all(study)
    study.stop_request.request("test")
    assert next(study.progress.phases(), None) is None


@given(
    outcomes=st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 5)), min_size=1, max_size=6),
    replicates=st.lists(st.tuples(st.integers(0, 5), st.integers(-9, 9)), max_size=8),
)
def test_the_best_is_on_the_front(outcomes: list[tuple[int, int]], replicates: list[tuple[int, int]]) -> None:
    values = {(number, 0): (float(delta), flops) for number, (delta, flops) in enumerate(outcomes)}
    confirms = {6 + position: number for position, (number, _) in enumerate(replicates)}
    values |= {(6 + position, 0): (float(delta), 3) for position, (_, delta) in enumerate(replicates)}
    found = front_statuses(rows_of(values, confirms))
    points = [point_at(key, values[key], place) for key, place in found.items() if key[0] not in confirms]
    best = best_point(points)
    assert best is not None
    assert best.on_front
    for key, place in found.items():
        assert place.confirmation is None or key[0] not in confirms
        assert not (place.on_front and key[0] in confirms)
    ties = {(str(key[0]), label) for key, place in found.items() for label in place.tied_with}
    assert ties == {(label, key) for key, label in ties}


def rows_of(values: dict[tuple[int, int], tuple[float, int]], confirms: dict[int, int]) -> StudyRows:
    row = StudyRow(flop_budget=None, latency=None)
    return StudyRows(
        row=row,
        trials=(),
        networks={},
        references=(),
        values=values,
        latencies={},
        confirms=confirms,
    )


def point_at(key: tuple[int, int], value: tuple[float, int], place: FrontStatus) -> TrialPoint:
    return TrialPoint(
        number=key[0], derived=key[1], state=TrialState.COMPLETE, cause="", delta_mtl=value[0], flops=value[1],
        num_parameters=1, metrics={}, params={}, on_front=place.on_front, is_feasible=place.is_feasible, epoch=1,
        num_epochs=1, started_at=None, finished_at=None, seconds=1.0, confirmation=place.confirmation,
    )  # fmt: skip
