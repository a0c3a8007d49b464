"""Ray Tune really ends a trial that its scheduler stops, keeps its worker, and goes on. The training is a stand-in."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

import gatefront.search.driver.run_study
from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.driver.references import References
from gatefront.search.driver.start_and_resume import DriverSession, start_study
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.trainable import RunTrial
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.trainer.reporting import EpochReport, ReferenceResult, Reporter, TrialResult
from gatefront.trainer.trial.spec import TrialSpec

NUM_EPOCHS = 4

STUDY = f"""
[study]
name = "stopping"
trials = 5
confirm_points = 0
workers = 1
sampler = "random"
[data]
name = "digits"
options = {{train_size = 64, val_size = 64}}
[network]
stem = "small"
[train]
epochs = {NUM_EPOCHS}
[gates]
tau = 0.2
lambda_s = {{low = 0.3, high = 3.0}}
finetune_epochs = 0
[early_stopping]
eta = 2
grace = 2
min_trials = 2
"""

# By trial: Δ_MTL and FLOPs at every epoch. Trials 1 and 3 are dominated by one that came before.
CURVES = ((1.0, 200), (0.5, 300), (0.5, 100), (-1.0, 900), (2.0, 400))


@pytest.mark.slow
def test_ray_stops_dominated_trials_and_keeps_their_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gatefront.search.driver.run_study, "prepare_references", _no_references)
    url = f"sqlite:///{tmp_path}/gatefront.db"
    driver_session = DriverSession(url=url, stop_request=StopRequest(), run_trial=_scripted_trial(CURVES))
    state = start_study(STUDY, StudyOverrides(), tmp_path / "runs", driver_session)

    assert state is StudyState.COMPLETE
    view = StudyReader(url).view("stopping")
    complete, stopped = TrialState.COMPLETE, TrialState.STOPPED_EARLY
    assert [point.state for point in view.points] == [complete, stopped, complete, stopped, complete]
    assert [point.epoch for point in view.points] == [NUM_EPOCHS, 2, NUM_EPOCHS, 2, NUM_EPOCHS]
    assert [point.number for point in view.points if point.on_front] == [0, 2, 4]
    assert view.summary.message == "3 of 5 trials complete, 2 stopped early."
    # Stopped in the middle, not only disregarded.
    assert [number for number in range(5) if (tmp_path / f"runs/stopping/trials/{number}/ended").exists()] == [0, 2, 4]
    with closing(sqlite3.connect(tmp_path / "gatefront.db")) as database:
        workers = database.execute("SELECT DISTINCT worker FROM gatefront_trials").fetchall()
        told = database.execute("SELECT state FROM trials ORDER BY number").fetchall()
    assert len(workers) == 1
    assert [word for (word,) in told] == ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED", "COMPLETE"]


def _no_references(plan: object, *_: object) -> References:
    """References of every role, none of which was trained."""

    class Untrained(dict[str, ReferenceResult]):
        def __missing__(self, role: str) -> ReferenceResult:
            return ReferenceResult(
                kind="single_task",
                key=role,
                tasks=("left", "right", "orientation"),
                metrics=dict.fromkeys(("left", "right", "orientation"), 50.0),
                flops=1000,
                num_parameters=10,
                seconds=1.0,
                train_flops=1.0,
                path="none.pt",
                from_cache=True,
            )

    return References(plan=plan, results=Untrained())  # type: ignore[arg-type]


def _scripted_trial(curves: tuple[tuple[float, int], ...]) -> RunTrial:
    def run(spec: TrialSpec, /, *, work_dir: Path, cache_dir: Path, reporter: Reporter) -> TrialResult:
        delta_mtl, flops = curves[spec.train.seed - 1]
        metrics: Mapping[str, float] = dict.fromkeys(spec.architecture.task_names, 50.0)
        for epoch in range(1, spec.num_epochs + 1):
            reporter(
                EpochReport(
                    epoch=epoch,
                    num_epochs=spec.num_epochs,
                    phase="train",
                    losses={},
                    metrics=metrics,
                    learning_rate=0.1,
                    seconds=0.1,
                    delta_mtl=delta_mtl,
                    flops=flops,
                )
            )
        (work_dir / "ended").touch()
        return TrialResult(
            metrics=metrics,
            delta_per_task=dict.fromkeys(metrics, delta_mtl),
            delta_mtl=delta_mtl,
            flops=flops,
            flop_budget=spec.budgets.flops,
            flops_before_cut=flops,
            num_parameters=10,
            gate_map=GateMap(tasks=tuple(metrics), sites=()),
            seconds=0.4,
            device="cpu",
            train_flops=1.0,
            peak_memory_mib=1.0,
            environment={},
            network_path="none.pt",
        )

    return run
