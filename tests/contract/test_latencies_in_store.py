"""Measured latencies in the store: beside the network they are of, and of no other, in both kinds of database."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime

import optuna
import pytest
import sqlalchemy as sa

from gatefront.search.bundle.latency_store import record_latency
from gatefront.search.bundle.manifest import DataEntry, FlopsEntry, InputEntry, Manifest
from gatefront.search.config.latency import LatencyRule
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.latency import Latency
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_optuna_storage
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.trainer.reporting import NetworkResult, TrialResult

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")

FLOPS, DERIVED_FLOPS, DELTA = 900, 700, -1.0 / 3.0
MAP = GateMap(tasks=("a", "b"), sites=(GateSite(name="conv1", own=("10", "00"), flops_per_channel=5.0),))
LATENCY = Latency(
    host="worker-3",
    device="Some CPU",
    runtime="onnx",
    version="1.31.1",
    threads=2,
    batch=8,
    precision="fp32",
    median_ms=1 / 3,
    p10_ms=0.25,
    p90_ms=0.5,
    measured_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
)
METRICS = {"a": 90.0, "b": 80.0}


@pytest.fixture
def store(engine: sa.Engine, url: str, new_row: Callable[..., StudyRow]) -> StudyStore:
    """A study of one complete trial with one derived point."""
    store = StudyStore.create(engine, new_row())
    optuna_storage = open_optuna_storage(url)
    study = optuna.create_study(storage=optuna_storage, study_name="digits", directions=["maximize", "minimize"])
    trial = study.ask()
    store.open_trial(trial.number, params=trial.params, seed=7, num_epochs=1)
    store.complete_trial(trial.number, _result())
    study.tell(trial, [DELTA, FLOPS])
    return store


def _result() -> TrialResult:
    derived = NetworkResult(
        index=1,
        flop_target=DERIVED_FLOPS,
        metrics=METRICS,
        delta_per_task=METRICS,
        delta_mtl=DELTA,
        flops=DERIVED_FLOPS,
        num_parameters=9,
        gate_map=MAP,
        seconds=1.0,
        train_flops=1.0,
        network_path="derived-1.pt",
    )
    return TrialResult(
        metrics=METRICS,
        delta_per_task=METRICS,
        delta_mtl=DELTA,
        flops=FLOPS,
        flop_budget=None,
        flops_before_cut=FLOPS,
        num_parameters=9,
        gate_map=MAP,
        seconds=1.0,
        device="cpu",
        train_flops=1.0,
        peak_memory_mib=1.0,
        environment={},
        network_path="network.pt",
        derived=(derived,),
    )


def _manifest(**changes: object) -> Manifest:
    flops = DERIVED_FLOPS if changes.get("derived") else FLOPS
    fields: dict[str, object] = {
        "created_at": "2026-01-01T00:00:00+00:00",
        "study": "digits",
        "trial": 0,
        "seed": 7,
        "input": InputEntry(
            name="images", channels=1, height=2, width=2, batch="any", dtype="float32", mean=(0.0,), std=(1.0,)
        ),
        "tasks": (),
        "delta_mtl": DELTA,
        "flops": FlopsEntry(value=flops, convention="", requested=None, flop_budget=None, single_task=1, floor=1),
        "references": (),
        "num_parameters": 9,
        "no_plan_because": None,
        "data": DataEntry(name="d", fingerprint="", num_train=1, num_val=1, measured_on="validation split"),
        "versions": {},
        "trained_with": {},
        "reproduce": (),
        "files": {},
    }
    return Manifest.model_validate(fields | changes)


def test_a_measurement_stands_beside_its_own_network(store: StudyStore, url: str) -> None:
    reader = StudyReader(url)
    before = reader.revision("digits")
    derived = replace(LATENCY, runtime="eager")
    assert record_latency(url, _manifest(), [LATENCY]) is None
    assert record_latency(url, _manifest(derived=1), [derived]) is None
    assert [network.latencies for network in reader.trial("digits", 0).networks] == [(LATENCY,), (derived,)]
    assert reader.revision("digits") != before


def test_a_setting_holds_its_latest_measurement(store: StudyStore, url: str) -> None:
    later = replace(LATENCY, median_ms=0.3, version="2.0", measured_at=datetime(2026, 6, 1, tzinfo=UTC))
    others = [replace(LATENCY, threads=4), replace(LATENCY, host="other"), replace(LATENCY, precision="bf16")]
    for measured in ([LATENCY, *others], [later]):
        record_latency(url, _manifest(), measured)
    found = StudyReader(url).trial("digits", 0).latencies
    assert set(found) == {later, *others}
    assert len(found) == 4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"study": "letters"}, "there is no study 'letters'"),
        ({"trial": 5}, "has no trial 5"),
        ({"seed": 8}, "is another network"),
        ({"delta_mtl": 0.25}, "is another network"),
        ({"derived": 2}, "trial 0.2 of study 'digits' there is another network"),
    ],
)
def test_another_network_s_measurement_is_not_taken(
    store: StudyStore, url: str, changes: dict[str, object], sentence: str
) -> None:
    reason = record_latency(url, _manifest(**changes), [LATENCY])
    assert reason is not None
    assert sentence in reason
    assert [network.latencies for network in StudyReader(url).trial("digits", 0).networks] == [(), ()]


def test_what_the_workers_timed_decides_on_the_front(
    engine: sa.Engine, url: str, new_row: Callable[..., StudyRow]
) -> None:
    row = new_row()
    row.latency = asdict(LatencyRule(budget_ms=0.5))
    store = StudyStore.create(engine, row)
    study = optuna.create_study(
        storage=open_optuna_storage(url), study_name="digits", directions=["maximize", "minimize"]
    )
    own, (derived,) = _result(), _result().derived
    for own_ms, derived_ms in ((1 / 3, 0.75), (0.5, None)):
        trial = study.ask()
        store.open_trial(trial.number, params=trial.params, seed=7, num_epochs=1)
        points = (replace(derived, latency_ms=derived_ms),)
        store.complete_trial(trial.number, replace(own, latency_ms=own_ms, derived=points))
        study.tell(trial, [DELTA, FLOPS])
    view = StudyReader(url).view("digits")
    assert view.summary.latency == LatencyRule(budget_ms=0.5)
    assert {point.label: (point.latency_ms, point.exceeds) for point in view.all_points} == {
        "0": (1 / 3, ()),
        "0.1": (0.75, ("latency",)),
        "1": (0.5, ()),
        "1.1": (None, ("latency",)),
    }
    assert [point.label for point in view.all_points if point.on_front] == ["0", "1"]
    assert store.stored_result(0) == (DELTA, FLOPS, 1 / 3)


def test_a_database_of_an_earlier_release_has_none(store: StudyStore, engine: sa.Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE gatefront_latencies"))
    assert StudyReader(url).trial("digits", 0).latencies == ()


def test_an_unknown_trial_is_refused(store: StudyStore) -> None:
    with pytest.raises(StudyNotFoundError, match="no trial 9"):
        store.record_latencies(9, 0, [LATENCY])
