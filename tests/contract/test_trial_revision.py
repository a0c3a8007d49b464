"""A trial's revision: another after all that its page shows, and after nothing else of the study once it has ended."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import optuna
import pytest
import sqlalchemy as sa

from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.latency import Latency
from gatefront.search.sampling.replicates import start_replicate
from gatefront.search.service.amendments import unvoid_trial, void_trial
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_optuna_storage
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.trainer.reporting import EpochReport, TrialResult

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")

BUDGET = 1_500_000_000_000
LATENCY = Latency(
    host="worker-3",
    device="Some CPU",
    runtime="onnx",
    version="1.31.1",
    threads=2,
    batch=8,
    precision="fp32",
    median_ms=1.0,
    p10_ms=0.25,
    p90_ms=3.0,
    measured_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
)


def _epoch(number: int) -> EpochReport:
    return EpochReport(
        epoch=number,
        num_epochs=3,
        phase="train",
        losses={"a": 1.0, "b": 0.5},
        metrics={"a": 90.0, "b": 80.0},
        learning_rate=1e-3,
        seconds=2.0,
    )


def test_a_page_is_read_again_when_it_may_show_something_else(
    engine: sa.Engine, url: str, new_row: Callable[..., StudyRow], new_result: Callable[[float], TrialResult]
) -> None:
    store = StudyStore.create(engine, new_row())
    study = optuna.create_study(
        storage=open_optuna_storage(url), study_name="digits", directions=["maximize", "minimize"]
    )
    reader = StudyReader(url)
    pages: dict[str, object] = {}

    def changed() -> bool:
        """Whether the first trial's revision is new. A revision that was there before has the page of then."""
        revision, page = reader.trial_revision("digits", 0), reader.trial("digits", 0)
        is_new = revision not in pages
        assert pages.setdefault(revision, page) == page
        return is_new

    def begin(confirms: int | None = None) -> optuna.Trial:
        trial = study.ask() if confirms is None else start_replicate(study, confirms)
        store.open_trial(trial.number, params=trial.params, seed=trial.number, num_epochs=3, confirms=confirms)
        store.start_attempt(trial.number, "host:1")
        return trial

    def finish(trial: optuna.Trial, delta_mtl: float) -> None:
        store.complete_trial(trial.number, new_result(delta_mtl))
        study.tell(trial, [delta_mtl, BUDGET])

    first = begin()
    assert changed()
    store.record_epoch(0, _epoch(1))
    assert changed()
    finish(first, -2.0)
    assert changed()

    other = begin()
    store.record_epoch(other.number, _epoch(1))
    assert not changed()
    finish(other, -1.0)  # takes the first one's place on the front
    assert changed()
    replicates = [begin(confirms=0), begin(confirms=0)]
    assert not changed()
    for replicate, delta_mtl in zip(replicates, (-4.0, -5.0), strict=True):
        finish(replicate, delta_mtl)
    assert changed()  # its mean is another now
    void_trial(engine, "digits", 0, "the wrong labels")
    assert changed()
    unvoid_trial(engine, "digits", 0)
    assert not changed()  # as it was before
    for median_ms in (1.0, 2.0):
        store.record_latencies(0, 0, [replace(LATENCY, median_ms=median_ms)])
        assert changed()


def test_what_is_not_there_has_no_revision(url: str, engine: sa.Engine, new_row: Callable[..., StudyRow]) -> None:
    with pytest.raises(StudyNotFoundError, match="digits"):
        StudyReader(url).trial_revision("digits", 0)
