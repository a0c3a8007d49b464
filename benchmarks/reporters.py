"""How many epochs a minute the database takes from reporters that all report at once, and how long each waits.

    python benchmarks/reporters.py --reporters 32 --seconds 60
    python benchmarks/reporters.py --db postgresql+psycopg://user@host/empty_database

Every reporter has connections of its own, as a process of its own has. A study has one driver that writes for all its
workers: this is what a database takes of many studies. The database must hold no study named `reporters`.
"""

import argparse
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from gatefront.search.results.states import StudyState
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.database.retry import RetryPolicy
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.trainer.reporting import EpochReport

STUDY = "reporters"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reporters", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--db", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gf") as folder:
        url = arguments.db or f"sqlite:///{folder}/gatefront.db"
        engine, _ = open_store(url)
        StudyStore.create(engine, _row())
        waits = _report(url, arguments.reporters, arguments.seconds)
        rows = len(StudyStore(engine, STUDY).rung_epochs(range(1, max(map(len, waits)) + 1)))
    told = sum(map(len, waits))
    ordered = sorted(seconds for one in waits for seconds in one)
    p50, p99 = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
    print(f"{arguments.reporters} reporters, {arguments.seconds:g} s: {told} reports, {rows} of them stored")
    print(f"{told / arguments.seconds:.0f} reports/s; each took {1e3 * p50:.0f} ms (p50), {1e3 * p99:.0f} ms (p99)")
    if rows != told:
        raise SystemExit("reports were lost")


def _report(url: str, reporters: int, seconds: float) -> list[list[float]]:
    ended = threading.Event()

    def report(number: int) -> list[float]:
        store = StudyStore(open_engine(url), STUDY, retry_policy=RetryPolicy())
        store.open_trial(number, params={}, seed=number, num_epochs=1)
        store.start_attempt(number, f"host/ns/{number}/1")
        waits: list[float] = []
        while not ended.is_set():
            began = time.perf_counter()
            store.record_epoch(number, _epoch(len(waits) + 1))
            waits.append(time.perf_counter() - began)
        return waits

    with ThreadPoolExecutor(reporters) as threads:
        futures = [threads.submit(report, number) for number in range(reporters)]
        time.sleep(seconds)
        ended.set()
        return [future.result() for future in futures]


def _epoch(epoch: int) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        num_epochs=epoch,
        phase="train",
        losses={"a": 1.0},
        metrics={"a": 50.0},
        learning_rate=1e-3,
        seconds=1.0,
        delta_mtl=-1.0,
        flops=100,
    )


def _row() -> StudyRow:
    return StudyRow(
        name=STUDY,
        file_text="",
        created_at=datetime.now(UTC),
        num_trials=1,
        num_workers=1,
        seed=0,
        flop_budget=None,
        flop_budget_text="",
        single_task_flops=1,
        hard_sharing_flops=1,
        floor_flops=1,
        ceiling_flops=1,
        tasks=[],
        data="none",
        backbone="none",
        storage_dir="",
        state=StudyState.RUNNING,
    )


if __name__ == "__main__":
    main()
