"""The table of measured latencies on a trial's page."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from plotly.utils import PlotlyJSONEncoder

from gatefront.dashboards.pages.trial.latency import latency_card
from gatefront.dashboards.pages.trial.sections import trial_facts
from gatefront.search.results.latency import Latency
from gatefront.search.results.records import StudyView, TrialDetail, TrialPoint

LATENCY = Latency(
    host="worker-3",
    device="Some CPU",
    runtime="compiled",
    version="2.13.0",
    threads=2,
    batch=8,
    precision="bf16",
    median_ms=4.0,
    p10_ms=3.5,
    p90_ms=6.25,
    measured_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
)


def test_a_measured_network_has_a_row_per_setting(
    view: StudyView, trial_of: Callable[[TrialPoint], TrialDetail]
) -> None:
    detail = replace(trial_of(view.points[7]), latencies=(LATENCY, replace(LATENCY, batch=1)))
    shown = json.dumps(trial_facts(detail, detail.networks[0]), cls=PlotlyJSONEncoder)
    for told in ("Some CPU (worker-3)", "compiled 2.13.0", "bf16", "3.5 to 6.25", "2,000", "250"):
        assert told in shown


def test_an_unmeasured_network_has_no_table(view: StudyView, trial_of: Callable[[TrialPoint], TrialDetail]) -> None:
    assert latency_card(trial_of(view.points[7]).networks[0]) is None
