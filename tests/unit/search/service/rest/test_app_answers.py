"""The JSON documents of every route that reads, written out: clients depend on each key and value."""

from datetime import UTC, datetime
from math import nan
from typing import Any

import pytest
from starlette.testclient import TestClient

from gatefront.search.config.latency import LatencyRule
from gatefront.search.results.comparison_table import ComparisonTable, Line, Spread
from gatefront.search.results.confirmation import Confirmation
from gatefront.search.results.latency import Latency
from gatefront.search.results.records import (
    EpochPoint,
    HypervolumePoint,
    PointDetail,
    StudyEvent,
    StudySummary,
    StudyView,
    TaskRecord,
    TrialDetail,
    TrialPoint,
)
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.rest.app import create_rest
from gatefront.spaces.gating.gate_map import GateMap, GateSite

AT, SENT = datetime(2026, 3, 1, 14, 3, 20, tzinfo=UTC), "2026-03-01T14:03:20Z"

TASK = TaskRecord(name="left", kind="depth", metric="rmse m", higher_is_better=False)
SENT_TASK = {"name": "left", "kind": "depth", "metric": "rmse m", "higher_is_better": False}

SUMMARY = StudySummary(
    name="table",
    state=StudyState.RUNNING,
    message="a node left",
    created_at=AT,
    num_trials=6,
    state_counts={TrialState.COMPLETE: 1},
    flop_budget=600,
    flop_budget_text="60%",
    single_task_flops=1000,
    floor_flops=400,
    tasks=(TASK,),
    best_trial=0,
    best_label="0.1",
    best_delta_mtl=nan,
    hypervolume=12.5,
    seconds_spent=90.0,
    eta_seconds=None,
    data="digits",
    backbone="tiny",
    storage_dir="/secret",
    param_budget_text="2M",
    latency=LatencyRule(budget_ms=20.0),
    started_from="earlier",
    reference_seconds=30.0,
    gpus_per_worker=0.5,
    num_workers=2,
    hypervolume_band=(11.0, 14.0),
    heartbeat_at=AT,
    driver_since=AT,
    max_hours=1.5,
    is_kept=True,
)
SENT_RULE = {
    "budget_ms": 20.0,
    "runtime": "onnx",
    "threads": 1,
    "batch": 1,
    "precision": "fp32",
    "is_objective": False,
}
SENT_SUMMARY = {
    "name": "table",
    "state": "RUNNING",
    "message": "a node left",
    "created_at": SENT,
    "num_trials": 6,
    "state_counts": {"COMPLETE": 1},
    "flop_budget": 600,
    "flop_budget_text": "60%",
    "single_task_flops": 1000,
    "floor_flops": 400,
    "tasks": [SENT_TASK],
    "best_label": "0.1",
    "best_delta_mtl": None,
    "hypervolume": 12.5,
    "seconds_spent": 90.0,
    "eta_seconds": None,
    "data": "digits",
    "backbone": "tiny",
    "param_budget_text": "2M",
    "latency": SENT_RULE,
    "started_from": "earlier",
    "reference_seconds": 30.0,
    "gpus_per_worker": 0.5,
    "num_workers": 2,
    "hypervolume_band": [11.0, 14.0],
    "heartbeat_at": SENT,
    "driver_since": SENT,
    "max_hours": 1.5,
    "is_kept": True,
}

POINT = TrialPoint(
    number=0,
    derived=1,
    state=TrialState.COMPLETE,
    cause="",
    delta_mtl=-2.0,
    flops=500,
    flop_target=550,
    num_parameters=1234,
    metrics={"left": nan},
    params={"tau": 0.5, "weighting": "dwa"},
    on_front=True,
    is_feasible=False,
    epoch=3,
    num_epochs=3,
    started_at=AT,
    finished_at=AT,
    seconds=12.0,
    latency_ms=3.5,
    exceeds=("latency",),
    confirms=None,
    confirmation=Confirmation(mean=-1.5, low=-2.5, high=-0.5, seeds=3),
    tied_with=("0",),
    stopped_at=(-3.0, 510),
    on_test=SplitFigures(delta_mtl=-2.25, delta_per_task={"left": -2.25}, metrics={"left": 1.1}),
    test_confirmation=Confirmation(mean=-2.5, low=-3.5, high=-1.5, seeds=3),
)
SENT_POINT = {
    "label": "0.1",
    "number": 0,
    "derived": 1,
    "state": "COMPLETE",
    "cause": "",
    "delta_mtl": -2.0,
    "expected_delta_mtl": -1.5,
    "flops": 500,
    "flop_target": 550,
    "num_parameters": 1234,
    "latency_ms": 3.5,
    "metrics": {"left": None},
    "params": {"tau": 0.5, "weighting": "dwa"},
    "on_front": True,
    "is_feasible": False,
    "exceeds": ["latency"],
    "epoch": 3,
    "num_epochs": 3,
    "started_at": SENT,
    "finished_at": SENT,
    "seconds": 12.0,
    "confirms": None,
    "confirmation": {"mean": -1.5, "low": -2.5, "high": -0.5, "seeds": 3},
    "tied_with": ["0"],
    "on_test": {"delta_mtl": -2.25, "delta_per_task": {"left": -2.25}, "metrics": {"left": 1.1}},
    "test_confirmation": {"mean": -2.5, "low": -3.5, "high": -1.5, "seeds": 3},
    "test_delta_mtl": -2.5,
    "test_gap": -1.0,
}

REFERENCE = ReferencePoint(
    kind="single_task",
    flops=1000,
    delta_mtl=0.0,
    metrics={"left": 0.4},
    num_parameters=5000,
    seconds=30.0,
    constant_metrics={"left": 1.2},
    unranked=("left",),
    test_metrics={"left": 1.3},
    test_delta_mtl=0.0,
)
SENT_REFERENCE = {
    "kind": "single_task",
    "flops": 1000,
    "delta_mtl": 0.0,
    "metrics": {"left": 0.4},
    "num_parameters": 5000,
    "seconds": 30.0,
    "constant_metrics": {"left": 1.2},
    "unranked": ["left"],
    "test_metrics": {"left": 1.3},
    "test_delta_mtl": 0.0,
}

VIEW = StudyView(
    revision="r7",
    summary=SUMMARY,
    points=(),
    derived=(POINT,),
    references=(REFERENCE,),
    hypervolume=(HypervolumePoint(num_complete=1, trial=0, finished_at=AT, hypervolume=12.5, band=(11.0, 14.0)),),
    events=(StudyEvent(at=AT, kind="voided", detail="trial 3", actor="wim"),),
)
SENT_HYPERVOLUME = {
    "num_complete": 1,
    "trial": 0,
    "finished_at": SENT,
    "hypervolume": 12.5,
    "band": [11.0, 14.0],
}

LATENCY = Latency(
    host="gpu1",
    device="H200",
    runtime="eager",
    version="2.13.0",
    threads=1,
    batch=1,
    precision="fp32",
    median_ms=3.5,
    p10_ms=3.1,
    p90_ms=4.0,
    measured_at=AT,
)
SENT_LATENCY = {
    "host": "gpu1",
    "device": "H200",
    "runtime": "eager",
    "version": "2.13.0",
    "threads": 1,
    "batch": 1,
    "precision": "fp32",
    "median_ms": 3.5,
    "p10_ms": 3.1,
    "p90_ms": 4.0,
    "measured_at": SENT,
}
GATES = GateMap(tasks=("left",), sites=(GateSite(name="conv1", own=("10",), flops_per_channel=5.0),))
DETAIL = TrialDetail(
    study="table",
    point=POINT,
    delta_per_task={"left": nan},
    flops_before_cut=700,
    gate_map=None,
    epochs=(EpochPoint(epoch=1, phase="train", losses={"left": 0.5}, metrics={"left": nan}, delta_mtl=None, flops=9),),
    seed=7,
    environment={"torch": "2.13.0"},
    device="cpu",
    train_flops=1e12,
    peak_memory_mib=None,
    attempts=2,
    pull_command="",
    latencies=(LATENCY,),
    derived=(
        PointDetail(point=POINT, delta_per_task={}, gate_map=GATES, train_flops=None, pull_command="gatefront pull"),
    ),
)
SENT_DETAIL = {
    "study": "table",
    "seed": 7,
    "device": "cpu",
    "environment": {"torch": "2.13.0"},
    "attempts": 2,
    "peak_memory_mib": None,
    "networks": [
        {"point": SENT_POINT, "delta_per_task": {"left": None}, "train_flops": 1e12, "latencies": [SENT_LATENCY]},
        {"point": SENT_POINT, "delta_per_task": {}, "train_flops": None, "latencies": []},
    ],
    "epochs": [
        {
            "epoch": 1,
            "phase": "train",
            "losses": {"left": 0.5},
            "metrics": {"left": None},
            "delta_mtl": None,
            "flops": 9,
        },
    ],
}

TABLE = ComparisonTable(
    name="table",
    data="digits",
    tasks=(TASK,),
    lines=(
        Line(
            system="MTAN",
            num_seeds=2,
            metrics={"left": Spread(0.4, 0.1)},
            delta_per_task={"left": Spread(1.0, None)},
            delta_mtl=Spread(1.0, None),
            mean_rank=1.5,
            flops=900,
            num_parameters=4000,
            train_flops=1e9,
            seconds=8.0,
        ),
    ),
)
SENT_TABLE = {
    "name": "table",
    "data": "digits",
    "tasks": [SENT_TASK],
    "lines": [
        {
            "system": "MTAN",
            "num_seeds": 2,
            "metrics": {"left": {"mean": 0.4, "deviation": 0.1}},
            "delta_per_task": {"left": {"mean": 1.0, "deviation": None}},
            "delta_mtl": {"mean": 1.0, "deviation": None},
            "mean_rank": 1.5,
            "flops": 900,
            "num_parameters": 4000,
            "train_flops": 1e9,
            "seconds": 8.0,
        },
    ],
}


def page(*items: Any, limit: int = 100) -> dict[str, Any]:
    return {"items": list(items), "total": len(items), "limit": limit, "offset": 0}


ANSWERS: dict[str, Any] = {
    "/studies": page(SENT_SUMMARY),
    "/studies/table": {
        "revision": "r7",
        "study": SENT_SUMMARY,
        "num_done": 1,
        "has_test_split": True,
        "references": [SENT_REFERENCE],
        "hypervolume": [SENT_HYPERVOLUME],
    },
    "/studies/table/events": page({"at": SENT, "kind": "voided", "detail": "trial 3", "actor": "wim"}),
    "/studies/table/front": {
        "revision": "r7",
        "study": "table",
        "flop_budget": 600,
        "single_task_flops": 1000,
        "best_label": "0.1",
        "hypervolume": 12.5,
        "hypervolume_band": [11.0, 14.0],
        "has_test_split": True,
        "references": [SENT_REFERENCE],
        "points": [SENT_POINT],
    },
    "/studies/table/trials": page(),
    "/studies/table/points": page(SENT_POINT, limit=1000),
    "/studies/table/trials/0": SENT_DETAIL,
    "/studies/table/trials/0.1/gates": {
        "study": "table",
        "label": "0.1",
        "tasks": ["left"],
        "sites": [{"name": "conv1", "own": ["10"], "flops_per_channel": 5.0}],
    },
    "/comparisons": page("table"),
    "/comparisons/table": SENT_TABLE,
}


class SampleReader:
    """One study and one comparison with a value in every field."""

    def list_studies(self) -> tuple[StudySummary, ...]:
        return (SUMMARY,)

    def view(self, study: str) -> StudyView:
        return VIEW

    def revision(self, study: str) -> str:
        return VIEW.revision

    def trial(self, study: str, number: int) -> TrialDetail:
        return DETAIL

    def trial_revision(self, study: str, number: int) -> str:
        return VIEW.revision

    def list_comparisons(self) -> tuple[str, ...]:
        return ("table",)

    def comparison(self, name: str) -> ComparisonTable:
        return TABLE


@pytest.mark.parametrize("path", ANSWERS)
def test_reading_routes_answer_with_every_key_and_value(path: str) -> None:
    reader: Any = SampleReader()
    client = TestClient(create_rest(reader, control=None, jobs=None))  # type: ignore[arg-type]  # nothing is changed
    assert client.get(f"/api/v1{path}").json() == ANSWERS[path]
