"""32 reporters at once: every report that was taken is there afterwards, on both databases."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.database.retry import RetryPolicy
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.trainer.reporting import EpochReport

NUM_REPORTERS = 32

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")


def test_no_report_is_lost_in_seconds(engine: sa.Engine, url: str, new_row: Callable[..., StudyRow]) -> None:
    _report_and_count(engine, url, new_row(), seconds=8.0)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_no_report_is_lost_in_ten_minutes(engine: sa.Engine, url: str, new_row: Callable[..., StudyRow]) -> None:
    _report_and_count(engine, url, new_row(), seconds=600.0)


def _report_and_count(engine: sa.Engine, url: str, row: StudyRow, *, seconds: float) -> None:
    StudyStore.create(engine, row)
    retry_policy = RetryPolicy()
    ended = threading.Event()

    def report(number: int) -> int:
        """From an engine of its own, as a process of its own has."""
        own = open_engine(url)
        store = StudyStore(own, row_name, retry_policy=retry_policy)
        store.open_trial(number, params={}, seed=number, num_epochs=10**6)
        store.start_attempt(number, f"host/ns/{number}/1")
        epoch = 0
        # Everybody reports at least once, however slow the machine is.
        while epoch == 0 or not ended.is_set():
            epoch += 1
            store.record_epoch(number, _epoch(epoch))
        own.dispose()
        return epoch

    def look() -> int:
        reader, looks = StudyReader(url), 0
        while not ended.wait(0.2):
            reader.view(row_name)
            looks += 1
        return looks

    row_name = "digits"
    with ThreadPoolExecutor(NUM_REPORTERS + 1) as threads:
        reported = [threads.submit(report, number) for number in range(NUM_REPORTERS)]
        looks = threads.submit(look)
        time.sleep(seconds)
        ended.set()
        expected = {number: future.result() for number, future in enumerate(reported)}
        assert looks.result() >= 0
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT number, count(*), max(epoch) FROM gatefront_epochs GROUP BY number")
        ).all()
        revision = connection.execute(sa.text("SELECT revision FROM gatefront_studies")).scalar_one()
    assert {number: count for number, count, _ in rows} == expected
    assert {number: last for number, _, last in rows} == expected
    # No write was overtaken by another, either: each raised the revision by one.
    assert revision == sum(expected.values()) + 2 * NUM_REPORTERS


def _epoch(epoch: int) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        num_epochs=10**6,
        phase="train",
        losses={"a": 1.0 / epoch},
        metrics={"a": 50.0},
        learning_rate=1e-3,
        seconds=1.0,
        delta_mtl=-1.0,
        flops=100,
    )
