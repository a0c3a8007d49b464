"""A driver of a study of quick, deterministic trials, to do things to: ``quick_study.py start|resume URL STORAGE``.

Everything is real but the training of trials: Ray, the database, references, checkpoints on the disk. Trials write
down every epoch that they train. While the storage folder holds a file ``hold``, those stand still that have the number
in it, or a higher one.
"""

import os
import sys
import time
from pathlib import Path

from tiny_study import tiny_study

from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.driver.signals import signals
from gatefront.search.driver.start_and_resume import DriverSession, resume_study, start_study
from gatefront.search.driver.stop_request import StopRequest
from gatefront.spaces.errors import GatefrontError
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.trainer.checkpoints.atomic_file import replacing
from gatefront.trainer.reporting import EpochReport, Reporter, TrialResult
from gatefront.trainer.trial.spec import TrialSpec

NAME = "quick"
NUM_EPOCHS = 4


def quick_trial(spec: TrialSpec, /, *, work_dir: Path, cache_dir: Path, reporter: Reporter) -> TrialResult:
    """Worth what its seed says, whatever happens to it on the way."""
    hold, number = work_dir.parents[2] / "hold", spec.train.seed - 1
    checkpoint = work_dir / "epochs"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    metrics = dict.fromkeys(spec.architecture.task_names, 50.0)
    for epoch in range(done + 1, spec.num_epochs + 1):
        time.sleep(float(os.environ.get("QUICK_EPOCH_S", "0.05")))
        while _is_held(hold, number):
            time.sleep(0.02)
        with replacing(checkpoint) as fresh:
            fresh.write_text(str(epoch))
        with (work_dir / "trained.log").open("a") as log:
            log.write(f"{epoch} {os.getpid()}\n")
        reporter(
            EpochReport(
                epoch=epoch,
                num_epochs=spec.num_epochs,
                phase="train",
                losses={},
                metrics=metrics,
                learning_rate=0.1,
                seconds=0.05,
                delta_mtl=-1.0,
                flops=1000,
            )
        )
    delta, flops = worth(number)
    return TrialResult(
        metrics=metrics,
        delta_per_task=dict.fromkeys(metrics, delta),
        delta_mtl=delta,
        flops=flops,
        flop_budget=spec.budgets.flops,
        flops_before_cut=1000,
        num_parameters=10,
        gate_map=GateMap(tasks=tuple(metrics), sites=()),
        seconds=0.2,
        device="cpu",
        train_flops=1.0,
        peak_memory_mib=1.0,
        environment={},
        network_path="none.pt",
    )


def _is_held(hold: Path, number: int) -> bool:
    try:
        return number >= int(hold.read_text())
    except FileNotFoundError:
        return False


def _study(trials: int) -> str:
    return tiny_study(
        study={"name": NAME, "trials": trials, "workers": 2, "flop_budget": None},
        data={"options": {"train_size": 64, "val_size": 64}},
        train={"epochs": NUM_EPOCHS - 1},
        gates={"tau": 0.2},
    )


def worth(number: int) -> tuple[float, int]:
    """Δ_MTL and FLOPs of a trial by its number: a cloud of points, some of them on its front."""
    return -(number * 37 % 101) / 10.0, 1000 + number * 53 % 97


def main(command: str, url: str, storage: str, trials: str = "12") -> int:
    stop_request = StopRequest()
    driver_session = DriverSession(
        url=url, stop_request=stop_request, run_trial=quick_trial, address=os.environ.get("QUICK_ADDRESS")
    )
    try:
        with signals(stop_request):
            if command == "start":
                state = start_study(_study(int(trials)), StudyOverrides(), Path(storage), driver_session)
            else:
                state = resume_study(NAME, driver_session)
    except GatefrontError as error:
        sys.stderr.write(f"{type(error).__name__}: {error.message}\n")
        return 1
    sys.stdout.write(f"{state}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
