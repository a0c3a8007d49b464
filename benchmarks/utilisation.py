"""How busy a study keeps its workers: real Ray Tune and database, trials that only wait.

    python benchmarks/utilisation.py --trials 12 --seconds 10 --workers 2

Prints the busy share: trials' time from the worker's first word to its result in the database, over the workers' time
from the first trial's start to the last one's end.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.driver.start_and_resume import DriverSession, start_study
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.trainable import RunTrial
from gatefront.search.results.records import TrialPoint
from gatefront.search.results.states import StudyState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.trainer.reporting import EpochReport, Reporter, TrialResult
from gatefront.trainer.trial.spec import TrialSpec

STUDY = """
[study]
name = "utilisation"
confirm_points = 0
rank_unlearned = true
[data]
name = "digits"
options = {train_size = 64, val_size = 64}
[network]
stem = "small"
[train]
epochs = 4
reference_epochs = 1
hard_sharing_epochs = 1
[gates]
tau = {low = 0.0, high = 1.0}
lambda_s = {low = 0.3, high = 3.0}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each trial takes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sampler", default="auto")
    arguments = parser.parse_args()
    text = STUDY.replace("confirm_points", f'sampler = "{arguments.sampler}"\nconfirm_points')
    with tempfile.TemporaryDirectory(prefix="gf") as folder:
        url = f"sqlite:///{folder}/gatefront.db"
        driver_session = DriverSession(url=url, stop_request=StopRequest(), run_trial=waiting_trial(arguments.seconds))
        overrides = StudyOverrides(trials=arguments.trials, workers=arguments.workers)
        state = start_study(text, overrides, Path(folder) / "runs", driver_session)
        points = StudyReader(url).view("utilisation").points
    if state is not StudyState.COMPLETE:
        raise SystemExit(f"the study is {state}: {[point.cause for point in points if point.cause]}")
    share, gaps = busy_share(points, arguments.workers)
    print(f"{len(points)} trials of {arguments.seconds:g} s on {arguments.workers} workers: busy {100 * share:.1f} %")
    print("seconds between trials: " + ", ".join(f"{gap:.2f}" for gap in gaps))


def busy_share(points: Sequence[TrialPoint], num_workers: int) -> tuple[float, list[float]]:
    """The share, and the seconds that each trial after the first ones began later than a worker was free."""
    spans = sorted(_span(point) for point in points)
    busy = sum((end - start).total_seconds() for start, end in spans)
    whole = (max(end for _, end in spans) - spans[0][0]).total_seconds()
    free = sorted(end for _, end in spans)
    gaps = [(start - end).total_seconds() for (start, _), end in zip(spans[num_workers:], free, strict=False)]
    return busy / (num_workers * whole), gaps


def waiting_trial(seconds: float) -> RunTrial:
    """A stand-in for training: waits, reports its epochs, delivers a result."""

    def run(spec: TrialSpec, /, *, work_dir: Path, cache_dir: Path, reporter: Reporter) -> TrialResult:
        metrics = dict.fromkeys(spec.architecture.task_names, 50.0)
        for epoch in range(1, spec.num_epochs + 1):
            time.sleep(seconds / spec.num_epochs)
            reporter(
                EpochReport(
                    epoch=epoch,
                    num_epochs=spec.num_epochs,
                    phase="train",
                    losses={},
                    metrics=metrics,
                    learning_rate=0.1,
                    seconds=seconds / spec.num_epochs,
                    delta_mtl=-1.0,
                    flops=1000,
                )
            )
        return TrialResult(
            metrics=metrics,
            delta_per_task=dict.fromkeys(metrics, -1.0),
            delta_mtl=-1.0,
            flops=1000,
            flop_budget=spec.budgets.flops,
            flops_before_cut=1000,
            num_parameters=10,
            gate_map=GateMap(tasks=tuple(metrics), sites=()),
            seconds=seconds,
            device="cpu",
            train_flops=1.0,
            peak_memory_mib=1.0,
            environment={},
            network_path="none.pt",
        )

    return run


def _span(point: TrialPoint) -> tuple[datetime, datetime]:
    if point.started_at is None or point.finished_at is None:
        raise SystemExit(f"trial {point.number} has no times.")
    return point.started_at, point.finished_at


if __name__ == "__main__":
    main()
