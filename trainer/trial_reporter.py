"""What only a trial knows of an epoch: its place in the whole, Δ_MTL, and the cost right now."""

from collections.abc import Callable
from dataclasses import replace

from trainer.delta_mtl import delta_mtl
from trainer.reporting import EpochReport, Reporter
from trainer.trial_spec import TrialSpec


class TrialReporter:
    """Hands epochs of one phase on, with what the network costs now; ``epochs_before`` are those of phases before."""

    def __init__(
        self, spec: TrialSpec, flops: Callable[[], int], reporter: Reporter, *, epochs_before: int = 0
    ) -> None:
        self._spec = spec
        self._flops = flops
        self._reporter = reporter
        self._epochs_before = epochs_before

    def __call__(self, report: EpochReport, /) -> None:
        spec = self._spec
        delta = delta_mtl(spec.architecture.tasks, report.metrics, spec.single_task_metrics())
        self._reporter(
            replace(
                report,
                epoch=self._epochs_before + report.epoch,
                num_epochs=spec.num_epochs,
                delta_mtl=delta.mean,
                flops=self._flops(),
            )
        )
