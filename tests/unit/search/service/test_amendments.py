"""extend and void: what a person changes about a study, on the command line and for the next sitting."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState as OptunaState
from ray.tune.search import Searcher

from gatefront.search.cli.main import main
from gatefront.search.driver.worker.messages import TrialFailed
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.sampling.filtered_sampler import FilteredSampler
from gatefront.search.service.amendments import extend, unvoid_trial, void_trial
from gatefront.search.snapshots.reader import StudyReader

OpenStudy = Callable[..., Any]

GRID = """
[study]
name = "table"
flop_budget = "600"
trials = {trials}
sampler = "grid"
[data]
name = "digits"
[gates]
tau = {{low = 0.0, high = 1.0}}
lambda_s = {{low = 0.1, high = 10.0, log = true}}
"""


@pytest.fixture(autouse=True)
def _own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEFRONT_DB", f"sqlite:///{tmp_path}/gatefront.db")
    monkeypatch.setenv("GATEFRONT_STORAGE", str(tmp_path / "runs"))


def run(*arguments: str) -> int:
    return main(arguments)


def finished(open_table_study: OpenStudy, *outcomes: tuple[float, int]) -> Any:
    """A study whose first trials ended with these Δ_MTL and FLOPs."""
    study = open_table_study(max_concurrent=9)
    for position, (delta_mtl, flops) in enumerate(outcomes):
        study.searcher.suggest(f"ray{position}")
        study.finish(f"ray{position}", delta_mtl=delta_mtl, flops=flops)
    return study


class TestExtend:
    def test_the_next_sitting_hands_out_the_further_trials(self, open_table_study: OpenStudy) -> None:
        finished(open_table_study, *[(-2.0, 500)] * 6)
        assert open_table_study().searcher.suggest("more") == Searcher.FINISHED
        assert run("extend", "--trials", "2", "table") == 0
        again = open_table_study(max_concurrent=9)
        assert [again.searcher.suggest(name)["trial_number"] for name in "ab"] == [6, 7]
        assert again.searcher.suggest("c") == Searcher.FINISHED

    def test_a_complete_study_waits_for_its_resume(
        self, open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]
    ) -> None:
        study = finished(open_table_study, (-2.0, 500))
        study.store.set_state(StudyState.COMPLETE, "6 of 6 trials complete.")
        assert run("extend", "table", "--trials", "1") == 0
        assert "gatefront resume table" in capsys.readouterr().out
        summary = StudyReader(study.url).view("table").summary
        assert (summary.state, summary.num_trials, summary.message) == (
            StudyState.STOPPED,
            7,
            "1 more trial asked for.",
        )

    def test_each_extension_is_kept(self, open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
        study = open_table_study()
        extend(study.store._engine, "table", 4)
        extend(study.store._engine, "table", 1)
        assert run("status", "table", "--json") == 0
        document = json.loads(capsys.readouterr().out)
        assert document["num_trials"] == 11
        assert [(event["kind"], event["detail"]) for event in document["events"]] == [
            ("extended", "4 more trials, 10 in all"),
            ("extended", "1 more trial, 11 in all"),
        ]

    @pytest.mark.parametrize("trials", ["0", "-3", "many"])
    def test_less_than_one_is_refused(
        self, open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str], trials: str
    ) -> None:
        study = open_table_study()
        assert run("extend", "table", "--trials", trials) == 2
        assert "--trials" in capsys.readouterr().err
        assert StudyReader(study.url).view("table").summary.num_trials == 6


class TestVoid:
    def test_a_void_trial_is_out_of_everything_and_comes_back(
        self, open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str], make_derived: Any
    ) -> None:
        study = finished(open_table_study, (-2.0, 500), (-4.0, 450))
        study.searcher.suggest("c")
        study.finish("c", delta_mtl=-1.0, flops=550, derived=(make_derived(1, delta_mtl=-1.5, flops=440),))
        before = StudyReader(study.url).view("table")
        assert [point.label for point in before.all_points if point.on_front] == ["2", "2.1"]

        assert run("void", "table", "--trial", "2", "--reason", "the wrong data") == 0
        view = StudyReader(study.url).view("table")
        assert [point.label for point in view.all_points if point.on_front] == ["0", "1"]
        assert (view.summary.best_label, view.derived) == ("0", ())
        assert (view.points[2].state, view.points[2].cause) == (TrialState.VOID, "the wrong data")
        assert [point.trial for point in view.hypervolume] == [point.trial for point in before.hypervolume[:2]]
        assert view.revision != before.revision
        assert run("status", "table") == 0
        assert "trial 2 VOID: the wrong data" in capsys.readouterr().out
        assert run("pull", "table", "--trial", "2.1", "-o", "nowhere") == 1
        assert "is VOID (the wrong data)" in capsys.readouterr().err

        assert run("void", "table", "--trial", "2", "--undo") == 0
        after = StudyReader(study.url).view("table")
        assert (after.points, after.derived, after.hypervolume) == (before.points, before.derived, before.hypervolume)
        assert [event.kind for event in after.events] == ["voided", "unvoided"]

    def test_another_trial_takes_its_place(self, open_table_study: OpenStudy) -> None:
        study = finished(open_table_study, *[(-2.0, 500)] * 6)
        void_trial(study.store._engine, "table", 3, "the wrong data")
        again = open_table_study()
        assert (again.recovery.num_done, again.recovery.num_left) == (5, 1)
        assert again.searcher.suggest("a")["trial_number"] == 6
        assert again.searcher.suggest("b") == Searcher.FINISHED

    def test_a_grid_proposes_what_was_void_again(self, open_table_study: OpenStudy) -> None:
        text = GRID.format(trials=6)
        study = open_table_study(max_concurrent=9, text=text)
        points = [study.searcher.suggest(f"ray{n}")["params"] for n in range(6)]
        for n in range(6):
            study.finish(f"ray{n}")
        void_trial(study.store._engine, "table", 2, "the wrong data")
        again = open_table_study(max_concurrent=9, text=text)
        assert again.searcher.suggest("a")["params"] == points[2]

    def test_what_failed_has_its_cause_again(self, open_table_study: OpenStudy) -> None:
        study = open_table_study()
        study.searcher.suggest("a")
        study.work("a", TrialFailed("the loss of left is nan"))
        void_trial(study.store._engine, "table", 0, "a broken GPU")
        assert StudyReader(study.url).view("table").points[0].cause == "a broken GPU"
        assert unvoid_trial(study.store._engine, "table", 0) is TrialState.FAILED
        assert StudyReader(study.url).view("table").points[0].cause == "the loss of left is nan"

    @pytest.mark.parametrize("untold", [False, True])
    def test_optuna_still_knows_it_for_the_day_it_comes_back(
        self, open_table_study: OpenStudy, make_trial: Any, untold: bool
    ) -> None:
        """Also when the driver died between its own row and telling Optuna."""
        study = open_table_study()
        study.searcher.suggest("a")
        if untold:
            study.store.complete_trial(0, make_trial(delta_mtl=-2.0, flops=500))
        else:
            study.finish("a", delta_mtl=-2.0, flops=500)
        void_trial(study.store._engine, "table", 0, "the wrong data")
        again = open_table_study()
        assert again.optuna_states()[0] == "COMPLETE"
        unvoid_trial(study.store._engine, "table", 0)
        assert StudyReader(study.url).view("table").summary.best_label == "0"

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--trial", "0"], "--reason is missing"),
            (["--trial", "0", "--reason", "  "], "--reason is missing"),
            (["--trial", "0", "--undo"], "trial 0 of study 'table' is not void, it is COMPLETE"),
            (["--trial", "0.1", "--reason", "why"], "--trial must be a whole trial, found 0.1"),
            (["--trial", "1", "--reason", "why"], "trial 1 of study 'table' is QUEUED: only a finished trial"),
            (["--trial", "7", "--reason", "why"], "study 'table' has no trial 7"),
            (["--trial", "x", "--reason", "why"], "found 'x'"),
        ],
    )
    def test_what_cannot_be_void_is_said(
        self, open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
    ) -> None:
        study = finished(open_table_study, (-2.0, 500))
        study.searcher.suggest("b")
        before = StudyReader(study.url).revision("table")
        assert run("void", "table", *arguments) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())
        assert StudyReader(study.url).revision("table") == before

    def test_twice_is_once(self, open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
        finished(open_table_study, (-2.0, 500))
        assert run("void", "table", "--trial", "0", "--reason", "first") == 0
        assert run("void", "table", "--trial", "0", "--reason", "second") == 2
        assert re.search(r"is void already:\s+first", capsys.readouterr().err)


class TestWhatASamplerIsShown:
    SPACE = {"x": FloatDistribution(0.0, 1.0)}  # noqa: RUF012

    def told(self, study: optuna.Study, x: float, *values: float) -> None:
        study.add_trial(optuna.trial.create_trial(params={"x": x}, distributions=dict(self.SPACE), values=list(values)))

    @pytest.fixture
    def study(self) -> optuna.Study:
        return optuna.create_study(directions=["maximize", "minimize"])

    def test_it_samples_as_if_hidden_trials_had_never_been(self, study: optuna.Study) -> None:
        without = optuna.create_study(directions=["maximize", "minimize"])
        hidden = set(range(1, 40, 2))
        for number in range(40):
            # Those that are hidden are splendid.
            values = (number / 40, 9.0 if number in hidden else -number, 1.0)
            self.told(study, *values)
            if number not in hidden:
                self.told(without, *values)
        shown = self.sampled(study, lambda: hidden)
        assert shown == self.sampled(without, frozenset)
        assert shown != self.sampled(study, frozenset)

    def sampled(self, study: optuna.Study, hidden: Callable[[], Any]) -> list[float]:
        inner = optuna.samplers.TPESampler(seed=0, n_startup_trials=4, multivariate=True)
        study.sampler = FilteredSampler(inner, hidden)
        return [study.ask(self.SPACE).params["x"] for _ in range(4)]

    def test_it_learns_from_added_trials_that_the_study_does_not_hold(self, study: optuna.Study) -> None:
        other = optuna.create_study(directions=["maximize", "minimize"])
        for number in range(40):
            x = number / 40
            self.told(other, x, -abs(x - 0.9), 1.0)
        inner = optuna.samplers.TPESampler(seed=0, n_startup_trials=4, multivariate=True)
        study.sampler = FilteredSampler(inner, frozenset, other.get_trials())
        sampled = [study.ask(self.SPACE).params["x"] for _ in range(8)]
        assert sum(x > 0.7 for x in sampled) >= 6
        assert len(study.get_trials(states=[OptunaState.COMPLETE])) == 0
