"""A study without a front says why, with the figures and the way out."""

from collections.abc import Callable
from typing import Any

import pytest

from gatefront.search.cli.commands.status import _status_lines
from gatefront.search.cli.front_table import front_notes
from gatefront.search.driver.worker.messages import TrialFailed
from gatefront.search.results.empty_front import no_front_reason
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import StudyState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.lease import Lease

OpenStudy = Callable[..., Any]

TIMED = """
[study]
name = "table"
flop_budget = "600"
trials = 2
sampler = "random"
[data]
name = "digits"
[gates]
tau = {low = 0.0, high = 1.0}
[latency]
budget_ms = 5.0
"""


def ended(study: Any, state: StudyState = StudyState.COMPLETE) -> StudyView:
    study.store.set_state(state, "2 of 2 trials done.")
    return StudyReader(study.url).view("table")


@pytest.fixture
def two_trials(open_table_study: OpenStudy) -> Any:
    study = open_table_study(text=TIMED, max_concurrent=2)
    lease = Lease(open_engine(study.url), "table")
    lease.acquire()
    for name in ("a", "b"):
        study.searcher.suggest(name)
    return study


def test_no_front_all_too_slow_names_budget_fastest_and_way_out(two_trials: Any) -> None:
    two_trials.finish("a", latency_ms=9.5)
    two_trials.finish("b", latency_ms=7.25)
    view = ended(two_trials)
    reason = no_front_reason(view)
    assert reason.startswith("2 trials have finished, none of them within the latency budget of 5 ms")
    assert "The fastest so far takes 7.25 ms (trial 1)." in reason
    assert "`--latency-budget` above that" in reason
    assert f"No point yet: {reason}" in list(front_notes(view))
    assert f"no front: {reason}" in _status_lines(view)


def test_no_front_all_failed_names_the_most_frequent_cause(two_trials: Any) -> None:
    cause = "num_parameters must be at most the param_budget of 9, found 10."
    for name in ("a", "b"):
        two_trials.work(name, TrialFailed(cause))
    view = ended(two_trials)
    reason = no_front_reason(view)
    assert reason.startswith(f"All 2 trials so far failed. Cause, 2 times: {cause}")
    assert "`gatefront extend table --trials N` and `gatefront resume table` then train more trials" in reason
    assert f"no front: {reason}" in _status_lines(view)


def test_no_front_refused_over_the_flop_budget_is_a_named_failure(two_trials: Any) -> None:
    for name in ("a", "b"):
        two_trials.finish(name, flops=700, latency_ms=1.0)
    assert "flops must be at most the budget of 600, found 700." in no_front_reason(ended(two_trials))


def test_no_front_failed_study_says_the_drivers_own_word(two_trials: Any) -> None:
    two_trials.store.set_state(StudyState.FAILED, "no single-task network has learned.")
    view = StudyReader(two_trials.url).view("table")
    assert no_front_reason(view) == "study 'table' failed before any trial ended: no single-task network has learned."
