"""A trial stopped early is done, told, paid for and on no front; a drain is something else. All without Ray."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from ray.tune.schedulers import TrialScheduler as RayScheduler
from sqlalchemy.orm import Session

from gatefront.search.config.early_stopping import StoppingRule
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.early_stopping import EarlyStopping, early_stopping
from gatefront.search.driver.ray_backend.scheduler import TrialScheduler
from gatefront.search.driver.worker.messages import EpochFinished, TrialFinished, encode
from gatefront.search.results.records import num_done
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.lease import Lease
from gatefront.search.storage.tables.schema import TrialRow
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.trainer.reporting import EpochReport, Phase, TrialResult

OpenStudy = Callable[..., Any]
MakeTrial = Callable[..., TrialResult]
RULE = StoppingRule(eta=2, grace=1, min_trials=2)


def _epoch(number: int, delta_mtl: float | None, flops: int | None, phase: Phase = "train") -> EpochReport:
    return EpochReport(
        epoch=number,
        num_epochs=4,
        phase=phase,
        losses={},
        metrics={},
        learning_rate=0.1,
        seconds=2.5,
        delta_mtl=delta_mtl,
        flops=flops,
    )


class RayRun:
    """Ray Tune's part: every message goes to the scheduler first, and to the searcher as it does there."""

    def __init__(self, run: Any, stopping: EarlyStopping | None) -> None:
        self.run = run
        self.scheduler = TrialScheduler(run.searcher, stopping)
        self.trials: dict[str, SimpleNamespace] = {}

    def start(self, name: str) -> int:
        config = self.run.searcher.suggest(name)
        self.trials[name] = SimpleNamespace(trial_id=name, config=config, error_file=None)
        self.run.work(name)
        number: int = config["trial_number"]
        return number

    def report(self, name: str, report: EpochReport) -> bool:
        """True if the trial went on."""
        result: dict[str, Any] = dict(encode(EpochFinished(report)))
        if self.scheduler.on_trial_result(None, self.trials[name], result) == RayScheduler.STOP:
            self.run.searcher.on_trial_complete(name, result)
            return False
        self.run.searcher.on_trial_result(name, result)
        return True


def test_stopped_trial_says_rung_and_place_and_is_on_no_front(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    ray_run = RayRun(run, EarlyStopping(RULE))
    for name in ("good", "bad"):
        ray_run.start(name)
    assert ray_run.report("good", _epoch(1, 1.0, 100))
    assert not ray_run.report("bad", _epoch(1, -1.0, 200))
    run.finish("good", delta_mtl=1.0, flops=450)

    view = StudyReader(run.url).view("table")
    stopped = view.points[1]
    assert stopped.state is TrialState.STOPPED_EARLY
    assert stopped.cause == (
        "place 2 of the 2 trials that have reached epoch 1, of which the first 1 and the front go on"
    )
    assert (stopped.delta_mtl, stopped.on_front, stopped.is_feasible) == (None, False, False)
    assert [point.number for point in view.all_points if point.on_front] == [0]
    assert [epoch.epoch for epoch in StudyReader(run.url).trial("table", 1).epochs] == [1]
    # Its one epoch was paid for.
    assert stopped.seconds == 2.5
    assert view.summary.seconds_spent == pytest.approx(12.0 + 2.5)
    assert run.optuna_states()[:2] == ["COMPLETE", "PRUNED"]
    assert [trial.number for trial in run.study.best_trials] == [0]
    # A place is free again.
    assert run.searcher.suggest("next")["trial_number"] == 2


def test_samplers_go_on_beside_stopped_trials(open_table_study: OpenStudy) -> None:
    """More stopped than complete ones: the sampler's best tenth then holds trials without values."""
    run = open_table_study(
        max_concurrent=40, text=_with_trials(40).replace('flop_budget = "600"', 'flop_budget = "600"\nseed = 3')
    )
    ray_run = RayRun(run, EarlyStopping(RULE))
    for n in range(38):
        ray_run.start(f"t{n}")
        if not ray_run.report(f"t{n}", _epoch(1, -float(n), 100 + n)):
            continue
        run.finish(f"t{n}")
    states = run.optuna_states()
    assert states.count("PRUNED") > 30
    run.searcher.suggest("next")


def test_drain_and_stop_are_two_things(open_table_study: OpenStudy) -> None:
    run = open_table_study(max_concurrent=3)
    ray_run = RayRun(run, EarlyStopping(RULE))
    for name in ("good", "bad", "drained"):
        ray_run.start(name)
    ray_run.report("good", _epoch(1, 1.0, 100))
    run.stop_request.request("test")
    # Judged before Ray came to look at the drain: the verdict holds.
    assert not ray_run.report("bad", _epoch(1, -1.0, 200))
    run.searcher.on_trial_complete("drained", encode(EpochFinished(_epoch(1, -9.0, 900))))
    assert run.states()[1] is TrialState.STOPPED_EARLY
    assert run.states()[2] is TrialState.QUEUED

    again = open_table_study(max_concurrent=9)
    assert again.recovery.num_done == 1
    assert [again.searcher.suggest(f"ray{n}")["trial_number"] for n in range(2)] == [0, 2]


def test_driver_killed_before_telling_is_made_up_for(open_table_study: OpenStudy) -> None:
    run = open_table_study()
    run.searcher.suggest("a")
    run.store.stop_trial_early(0, "place 3 of 3")
    assert run.optuna_states()[0] == "RUNNING"
    again = open_table_study(max_concurrent=9)
    assert again.optuna_states()[0] == "PRUNED"
    assert (again.recovery.num_done, again.recovery.num_left) == (1, 5)
    assert again.searcher.suggest("b")["trial_number"] == 1


def test_rungs_are_rebuilt_from_the_database(open_table_study: OpenStudy, make_trial: MakeTrial) -> None:
    text = _with_trials(9) + "[early_stopping]\neta = 2\ngrace = 1\nmin_trials = 4\n"
    run = open_table_study(text=text, max_concurrent=9)
    ray_run = RayRun(run, _stopping(run))
    for n, (delta, flops) in enumerate([(5.0, 300), (-3.0, 400), (1.0, 100)]):
        ray_run.start(f"t{n}")
        assert ray_run.report(f"t{n}", _epoch(1, delta, flops))
    ray_run.start("other phase")
    ray_run.report("other phase", _epoch(1, 90.0, 1, phase="finetune"))
    ray_run.start("no numbers")
    ray_run.report("no numbers", _epoch(1, None, None))
    run.searcher.release()

    again = open_table_study(text=text, max_concurrent=9)
    resumed = RayRun(again, _stopping(again))
    for n in range(6):
        resumed.start(f"t{n}")
    verdict_cause = "place 3 of the 4 trials that have reached epoch 1, of which the first 2 and the front go on"
    assert not resumed.report("t5", _epoch(1, 0.0, 350))
    assert StudyReader(again.url).trial("table", 5).point.cause == verdict_cause


def test_derived_and_finetuning_epochs_are_not_judged(open_table_study: OpenStudy, make_trial: MakeTrial) -> None:
    run = open_table_study()
    ray_run = RayRun(run, EarlyStopping(RULE))
    for name in ("a", "b"):
        ray_run.start(name)
    ray_run.report("a", _epoch(1, 1.0, 100))
    for phase in ("finetune", "derive"):
        assert ray_run.report("b", _epoch(1, -9.0, 900, phase=phase))
    result = encode(TrialFinished(make_trial(delta_mtl=-9.0)))
    assert ray_run.scheduler.on_trial_result(None, ray_run.trials["b"], result) == RayScheduler.CONTINUE


def test_without_the_table_or_with_it_off_nothing_is_judged(open_table_study: OpenStudy) -> None:
    for more in ("", "[early_stopping]\nenabled = false\n"):
        config = parse_study(_with_trials(6) + more)
        assert early_stopping(SimpleNamespace(config=config), SimpleNamespace()) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gates", "is_capped"),
    [("", True), ('sparsity = "expected_flops"', False), ("flop_target = {low = 0.2, high = 1.0}", False)],
)
def test_budget_counts_at_rungs_only_where_trials_have_no_target(
    open_table_study: OpenStudy, gates: str, is_capped: bool
) -> None:
    """Dear and good against cheap and bad: only the budget puts one behind the other, and neither is dominated."""
    text = '[study]\nname = "table"\nflop_budget = "600"\n[data]\nname = "digits"\n[gates]\n' + gates
    run = open_table_study(text=text + "\n[early_stopping]\neta = 2\ngrace = 1\nmin_trials = 2\n")
    for number in range(2):
        run.store.open_trial(number, params={}, seed=number, num_epochs=4)
    stopping = _stopping(run)
    assert stopping is not None
    assert not stopping.should_stop(0, 1, -5.0, 500)
    assert stopping.should_stop(1, 1, 5.0, 700) == is_capped


def _with_trials(number: int) -> str:
    return (
        f'[study]\nname = "table"\nflop_budget = "600"\ntrials = {number}\n[data]\nname = "digits"\n'
        "[gates]\ntau = {low = 0.0, high = 1.0}\nlambda_s = {low = 0.1, high = 10.0, log = true}\n"
    )


def _stopping(run: Any) -> EarlyStopping | None:
    plan = SimpleNamespace(config=run.config, budgets=Budgets(flops=600))
    return early_stopping(plan, run.store)  # type: ignore[arg-type]


def test_time_left_counts_on_as_many_stops_to_come(open_table_study: OpenStudy) -> None:
    """One trial of 12 s and one of 2.5 s are done, four are left on two workers."""
    run = open_table_study()
    ray_run = RayRun(run, EarlyStopping(RULE))
    run.store.set_state(StudyState.RUNNING)
    Lease(open_engine(run.url), "table").acquire()
    for name in ("good", "bad"):
        ray_run.start(name)
    ray_run.report("good", _epoch(1, 1.0, 100))
    ray_run.report("bad", _epoch(1, -1.0, 200))
    assert StudyReader(run.url).view("table").summary.eta_seconds is None
    run.finish("good")
    view = StudyReader(run.url).view("table")
    assert view.summary.eta_seconds == pytest.approx(4 * (12.0 + 2.5) / 2 / 2)
    assert num_done(view) == 2


def test_another_seed_of_a_front_point_runs_to_its_end(open_table_study: OpenStudy) -> None:
    text = _with_trials(9) + "[early_stopping]\neta = 2\ngrace = 1\nmin_trials = 2\n"
    run = open_table_study(text=text, max_concurrent=9)
    ray_run = RayRun(run, _stopping(run))
    for name in ("good", "seed", "bad"):
        ray_run.start(name)
    with Session(open_engine(run.url)) as session, session.begin():
        session.execute(sa.update(TrialRow).where(TrialRow.number == 1).values(confirms=0))
    assert ray_run.report("good", _epoch(1, 1.0, 100))
    assert ray_run.report("seed", _epoch(1, -5.0, 900))
    assert not ray_run.report("bad", _epoch(1, -1.0, 200))
    assert "of the 2 trials" in StudyReader(run.url).trial("table", 2).point.cause
