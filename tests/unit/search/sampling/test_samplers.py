"""Every sampler by its name drives a study: around a point that was seen before, and around one that cannot train."""

from collections.abc import Callable
from typing import Any, get_args

import pytest

from gatefront.search.config.study_config import SamplerName
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.worker.messages import TrialFailed
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.search_space import SearchSpace
from gatefront.search.results.states import TrialState
from gatefront.search.sampling.samplers import choose_sampler
from gatefront.search.snapshots.reader import StudyReader

OpenStudy = Callable[..., Any]
NAMES = get_args(SamplerName)

FILE = """
[study]
name = "table"
{budget}
trials = {trials}
sampler = "{sampler}"
[data]
name = "digits"
[gates]
{gates}
"""
RANGES = "tau = {low = 0.0, high = 1.0}\nlambda_s = {low = 0.1, high = 10.0, log = true}"
CHOICES = "tau = {choices = [0.1, 0.4]}"


def _file(sampler: str, gates: str = RANGES, *, trials: int = 16, budget: str = 'flop_budget = "600"') -> str:
    return FILE.format(sampler=sampler, gates=gates, trials=trials, budget=budget)


@pytest.mark.parametrize(
    ("name", "budget"), [*((name, 'flop_budget = "600"') for name in NAMES), ("gp", ""), ("tpe", "")]
)
def test_whole_study_with_failures_that_teach_and_failures_that_do_not(
    open_table_study: OpenStudy, name: str, budget: str
) -> None:
    run = open_table_study(text=_file(name, trials=11, budget=budget), max_concurrent=3)
    for number in range(11):
        run.searcher.suggest(f"r{number}")
        if number % 5 == 1:
            run.work(f"r{number}", TrialFailed("CUDA out of memory.", is_deterministic=True))
        elif number % 5 == 3:
            run.searcher.on_trial_complete(f"r{number}", error=True)
        else:
            run.finish(
                f"r{number}", delta_mtl=-float(number), flops=400 + 10 * number, flop_budget=600 if budget else None
            )
    states = list(run.states().values())
    assert (states.count(TrialState.COMPLETE), states.count(TrialState.FAILED)) == (7, 4)
    failed = [trial for trial in run.study.get_trials(deepcopy=False) if trial.number % 5 in (1, 3)]
    assert [trial.state.name for trial in failed] == ["COMPLETE", "FAIL"] * 2
    assert all((trial.constraints.get("trained", -1) > 0) == (trial.state.name == "COMPLETE") for trial in failed)


@pytest.mark.parametrize("gates", [CHOICES, ""])
@pytest.mark.parametrize("name", NAMES)
def test_points_that_come_again_are_trials_with_seeds_of_their_own(
    open_table_study: OpenStudy, name: str, gates: str
) -> None:
    run = open_table_study(text=_file(name, gates, trials=9), max_concurrent=2)
    points = []
    for number in range(9):
        points.append(tuple(run.searcher.suggest(f"r{number}")["params"].items()))
        run.finish(f"r{number}", delta_mtl=-float(number % 7))
    assert len(set(points)) <= 2
    assert list(run.states().values()) == [TrialState.COMPLETE] * 9
    reader = StudyReader(run.url)
    assert len({reader.trial("table", number).seed for number in range(9)}) == 9


@pytest.mark.parametrize("name", ["tpe", "tpe-independent", "gp"])
def test_sampler_leaves_a_choice_that_cannot_train(open_table_study: OpenStudy, name: str) -> None:
    """Without the lesson a failed point leaves no trace, and one choice of the two goes on failing."""
    run = open_table_study(text=_file(name, CHOICES + "\nlambda_s = {low = 0.1, high = 10.0}", trials=24))
    fatal = []
    for number in range(24):
        params = run.searcher.suggest(f"r{number}")["params"]
        fatal.append(params["gates.tau"] == 0.4)
        if fatal[-1]:
            run.work(f"r{number}", TrialFailed("the loss of left is nan", is_deterministic=True))
        else:
            run.finish(
                f"r{number}", delta_mtl=-params["gates.lambda_s"], flops=400 + int(10 * params["gates.lambda_s"])
            )
    assert sum(fatal[12:]) <= 3


def test_failed_point_that_was_told_is_on_no_front(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=_file("tpe"))
    for number, ray_id in enumerate("abc"):
        run.searcher.suggest(ray_id)
        if number == 1:
            run.work(ray_id, TrialFailed("CUDA out of memory.", is_deterministic=True))
        else:
            run.finish(ray_id, delta_mtl=-2.0 - number, flops=500 - number)
    view = StudyReader(run.url).view("table")
    failed = view.points[1]
    assert (failed.state, failed.delta_mtl, failed.on_front) == (TrialState.FAILED, None, False)
    assert [trial.values for trial in run.study.get_trials(deepcopy=False)[:2]] == [[-2.0, 500.0]] * 2
    assert [point.trial for point in view.hypervolume] in ([], [0, 2])


def test_driver_killed_before_telling_of_an_untrainable_point_tells_it_when_resumed(
    open_table_study: OpenStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_table_study(text=_file("tpe"))
    run.searcher.suggest("a")
    monkeypatch.setattr("gatefront.search.driver.outcome_recorder.tell_failed", _die)
    with pytest.raises(KeyboardInterrupt):
        run.work("a", TrialFailed("CUDA out of memory.", is_deterministic=True))
    assert run.states() == {0: TrialState.FAILED}
    again = open_table_study(text=_file("tpe"))
    (told,) = again.study.get_trials(deepcopy=False)[:1]
    assert (told.state.name, told.constraints["trained"]) == ("COMPLETE", 1.0)
    assert again.searcher.suggest("b")["trial_number"] == 1


def test_grid_proposes_its_points_and_enqueues_none(open_table_study: OpenStudy) -> None:
    run = open_table_study(text=_file("grid", trials=27), max_concurrent=27)
    asked = [run.searcher.suggest(f"r{number}")["params"] for number in range(27)]
    points = [(params["gates.tau"], params["gates.lambda_s"]) for params in asked]
    assert len(set(points[:25])) == 25
    assert sorted(points[:4]) == [(0.0, 0.1), (0.0, 10.0), (1.0, 0.1), (1.0, 10.0)]
    assert points[25:] == points[:2]


def test_points_of_a_grid_are_refused_for_other_samplers() -> None:
    assert parse_study(_file("grid").replace("[data]", "grid_points = 9\n[data]")).study.grid_points == 9
    with pytest.raises(StudyFileError, match='grid_points has no effect with sampler = "gp"'):
        parse_study(_file("gp").replace("[data]", "grid_points = 9\n[data]"))


MANY = RANGES + "\n".join(
    ["", *(f"{name} = {{low = 0.5, high = 1.0}}" for name in ("learning_rate", "initial_logit", "max_logit"))]
)


@pytest.mark.parametrize(
    ("gates", "trials", "expected"),
    [
        (RANGES, 50, "gp: chosen for 50 trials over 2 knobs"),
        (RANGES, 51, "tpe: chosen for 51 trials over 2 knobs"),
        (MANY, 50, "tpe: chosen for 50 trials over 5 knobs"),
        (MANY, 51, "tpe-independent: chosen for 51 trials over 5 knobs"),
    ],
)
def test_auto_chooses_by_trials_and_knobs_and_says_so(gates: str, trials: int, expected: str) -> None:
    assert (
        str(choose_sampler(SearchSpace(parse_study(_file("auto", gates))), num_trials=trials)) == f"sampler {expected}"
    )


def test_sampler_that_was_asked_for_is_taken() -> None:
    choice = choose_sampler(SearchSpace(parse_study(_file("random"))), num_trials=16)
    assert str(choice) == "sampler random: as the study file asks"


def _die(*_: object) -> None:
    raise KeyboardInterrupt
