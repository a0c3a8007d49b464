"""Cost and advice reach the person: in `status`, in `front`, in their JSON, and at the end of a session."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gatefront.search.cli.commands.start import _say_end
from gatefront.search.cli.main import main
from gatefront.search.results.states import StudyState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.trainer.reporting import ReferenceResult

OpenStudy = Callable[..., Any]

TEN_TRIALS = """
[study]
name = "table"
flop_budget = "600"
trials = 10
[data]
name = "digits"
[gates]
tau = {low = 0.0, high = 1.0}
"""
HARD_SHARING = ReferenceResult(
    kind="hard_sharing",
    key="k",
    tasks=("left", "right"),
    metrics={"left": 80.0, "right": 70.0},
    flops=400,
    num_parameters=10,
    seconds=60.0,
    train_flops=1e9,
    path="x.pt",
    from_cache=False,
)


def _searched(open_table_study: OpenStudy, gain_per_trial: float) -> str:
    """A study of ten trials, each of 20 minutes and better by so much than the one before; its database."""
    run = open_table_study(text=TEN_TRIALS)
    run.store.record_reference("hard_sharing", HARD_SHARING, is_baseline=True, delta_mtl=-10.0)
    for number in range(10):
        run.searcher.suggest(f"ray{number}")
        run.finish(f"ray{number}", delta_mtl=-2.0 + gain_per_trial * number, seconds=1200.0)
    url: str = run.url
    return url


def test_exhausted_search_is_advised_against_in_both_places(
    open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    url = _searched(open_table_study, 0.0)
    assert main(["status", "--db", url]) == 0
    said = capsys.readouterr().out
    assert "outlook: another hour (about 6 trials) will likely buy little: +0.0 % of hypervolume" in said
    assert "cost: 3 h 21 min of CPU time in all (1 min of it references), 20 min per trial" in said
    _say_end(StudyReader(url), "table", StudyState.COMPLETE)
    assert "Forecast: another hour (about 6 trials) will likely buy little" in capsys.readouterr().out


def test_search_that_still_gains_is_not_commented(
    open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    url = _searched(open_table_study, 0.5)
    assert main(["status", "--db", url]) == 0
    assert "outlook" not in capsys.readouterr().out
    _say_end(StudyReader(url), "table", StudyState.COMPLETE)
    assert "Forecast" not in capsys.readouterr().out
    assert main(["status", "--db", url, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["outlook"]["expected_gain"] > 0.01
    assert document["cost"]["device_hours"] == pytest.approx((10 * 1200 + 60) / 3600)


def test_front_says_what_it_has_cost(open_table_study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
    url = _searched(open_table_study, 0.0)
    assert main(["front", "--db", url]) == 0
    assert "Cost: 3 h 21 min of CPU time in all" in capsys.readouterr().out
    assert main(["front", "--db", url, "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["cost"]
    assert (cost["device"], cost["reference_seconds"]) == ("CPU", 60.0)
    # Ten equal points are all on the front, and have brought 8 points of Δ_MTL at a tenth of the single-task cost.
    assert cost["per_front_point"] == pytest.approx(12_060 / 10)
    assert cost["per_hypervolume"] == pytest.approx(12_060 / 0.8)
