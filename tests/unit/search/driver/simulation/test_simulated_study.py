"""Whole studies replayed from the recorded table: every sampler and the early stopping, from first trial to last.

Suggest, report, stop, fail, drain, resume, finish: without Ray and training, and with all that is between them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from gatefront.search.config.early_stopping import StoppingRule
from gatefront.search.config.study_config import SamplerName, StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.early_stopping import EarlyStopping
from gatefront.search.driver.simulation import Answers, RecordedTable, SimulatedStudy, load_tables
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.search_space import Params
from gatefront.search.results.pareto import hypervolume
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.open import open_store

TABLE = Path(__file__).parents[5] / "benchmarks" / "search" / "digits.json.gz"
WORKERS = 3

Simulate = Callable[..., SimulatedStudy]


@pytest.fixture(scope="module")
def tables() -> dict[str, RecordedTable]:
    return load_tables(TABLE)


@pytest.fixture(scope="module")
def answers(tables: dict[str, RecordedTable]) -> Answers:
    return Answers(tables["hinge"])


@pytest.fixture
def simulate(tmp_path: Path, answers: Answers) -> Simulate:
    """Opens the study of one database; a second call takes it up again as a new driver would."""
    url = f"sqlite:///{tmp_path}/gatefront.db"

    def open_again(sampler: str = "random", *, trials: int = 16, **options: Any) -> SimulatedStudy:
        return SimulatedStudy(
            answers, _config(answers, sampler, trials), open_store(url), num_workers=WORKERS, **options
        )

    return open_again


def _config(answers: Answers, sampler: str, trials: int) -> StudyConfig:
    config = parse_study(answers.table.study)
    return config.model_copy(
        update={"study": config.study.model_copy(update={"sampler": sampler, "trials": trials, "seed": 3})}
    )


def _hopeless(params: Params) -> bool:
    return 0.35 < params["gates.tau"] < 0.6


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_whole_life_of_a_study(simulate: Simulate, answers: Answers, sampler: str, tmp_path: Path) -> None:
    num_trials = 10 if sampler == "gp" else 16  # a second of proposing per trial
    rule = StoppingRule(grace=1, eta=2, min_trials=4)
    first = simulate(sampler, trials=num_trials, stopping=EarlyStopping(rule), fails=_hopeless)
    before = first.run(until=1.4 * answers.at({"gates.tau": 0.5, "gates.lambda_s": 1.0}, seed=0).seconds)
    drained = first.store.trial_states()
    assert 1 <= list(drained.values()).count(TrialState.QUEUED) <= WORKERS

    second = simulate(sampler, trials=num_trials, stopping=EarlyStopping(rule), fails=_hopeless)
    after = second.run()
    assert sorted(trial.number for trial in (*before, *after)) == list(range(num_trials))
    states = {trial.number: trial.state for trial in (*before, *after)}
    assert second.store.trial_states() == states
    assert set(states.values()) >= {TrialState.COMPLETE, TrialState.FAILED}

    known = {trial.number: trial for trial in second.study.get_trials(deepcopy=False)}
    expected = {TrialState.COMPLETE: "COMPLETE", TrialState.FAILED: "COMPLETE", TrialState.STOPPED_EARLY: "PRUNED"}
    assert {number: trial.state.name for number, trial in known.items()} == {
        number: expected[state] for number, state in states.items()
    }
    untrainable = {number for number, trial in known.items() if trial.constraints.get("trained", -1.0) > 0}
    assert untrainable == {number for number, state in states.items() if state is TrialState.FAILED}
    view = StudyReader(f"sqlite:///{tmp_path}/gatefront.db").view("recorded")
    assert all(point.state is TrialState.COMPLETE for point in view.points if point.on_front or point.is_feasible)
    assert any(point.on_front for point in view.points)


def test_early_stopping_saves_time_and_costs_no_trial(simulate: Simulate) -> None:
    finished = simulate(trials=40, stopping=EarlyStopping(StoppingRule(grace=1, eta=3, min_trials=4))).run()
    stopped = [trial for trial in finished if trial.state is TrialState.STOPPED_EARLY]
    assert 0 < len(stopped) < len(finished) == 40
    assert all(trial.share < 1.0 for trial in stopped)
    assert all(trial.share == 1.0 for trial in finished if trial.state is TrialState.COMPLETE)


def test_workers_share_the_work_on_the_virtual_clock(simulate: Simulate) -> None:
    finished = simulate(trials=30).run()
    seconds = [trial.seconds for trial in finished]
    assert finished[-1].clock >= sum(seconds) / WORKERS
    assert finished[-1].clock <= sum(seconds) / WORKERS + max(seconds)
    assert [trial.clock for trial in finished] == sorted(trial.clock for trial in finished)


def test_answer_is_the_same_whenever_asked_and_differs_between_seeds(answers: Answers) -> None:
    params = {"gates.tau": 0.21, "gates.lambda_s": 3.0}
    one, again, *others = (answers.at(params, seed=seed) for seed in (7, 7, 8, 9, 10, 11, 12))
    assert one == again
    assert len({other.delta_mtl for other in (one, *others)}) > 1
    assert {other.expected_delta_mtl for other in others} == {one.expected_delta_mtl}


@pytest.mark.parametrize("name", ["hinge", "expected_flops"])
def test_answers_come_as_near_to_recorded_trials_as_other_seeds_do(tables: dict[str, RecordedTable], name: str) -> None:
    table = tables[name]
    answers = Answers(table)
    errors = [answers.at(row.params, seed=0).expected_delta_mtl - row.delta_mtl for row in table.rows]
    spread = max(row.delta_mtl for row in table.rows) - min(row.delta_mtl for row in table.rows)
    assert sum(error**2 for error in errors) / len(errors) < (spread / 6) ** 2
    for row in table.rows:
        answer = answers.at(row.params, seed=1)
        assert table.floor_flops <= answer.flops <= table.flop_budget
        assert abs(answer.flops - row.flops) < 0.25 * table.flop_budget
        assert len(answer.epochs) == len(answer.shares) == len(row.epochs)
        assert answer.shares[-1] == 1.0


def test_table_is_small_and_its_trials_are_worth_something(tables: dict[str, RecordedTable]) -> None:
    assert TABLE.stat().st_size < 300_000
    for table in tables.values():
        points = [(row.delta_mtl, row.flops) for row in table.rows]
        assert hypervolume(points, table.frame) > 0
        assert all(row.flops <= table.flop_budget for row in table.rows)


def test_table_of_other_knobs_is_refused(tables: dict[str, RecordedTable]) -> None:
    document = {name: getattr(tables["hinge"], name) for name in RecordedTable.__dataclass_fields__}
    document["study"] = tables["expected_flops"].study
    with pytest.raises(StudyFileError, match=r"exactly the knobs gates\.lambda_s, gates\.flop_target"):
        Answers(RecordedTable(**document))
