"""Facts on an epoch that only a trial knows: its number in the trial, Δ_MTL, and the present cost and gates."""

from dataclasses import replace

from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.trainer.metrics.delta_mtl import delta_mtl
from gatefront.trainer.reporting import EpochReport, Reporter
from gatefront.trainer.trial.spec import TrialSpec


class TrialReporter:
    """Reporter of one phase's epochs that adds the present cost of ``network``.

    ``epochs_before`` counts the epochs of earlier phases. A network without gates is given by its FLOPs.
    """

    def __init__(
        self, spec: TrialSpec, network: InterroGateNetwork | int, reporter: Reporter, *, epochs_before: int = 0
    ) -> None:
        self._spec = spec
        self._network = network
        self._reporter = reporter
        self._epochs_before = epochs_before

    def __call__(self, report: EpochReport, /) -> None:
        spec, network = self._spec, self._network
        delta = delta_mtl(spec.ranked_tasks, report.metrics, spec.single_task_metrics())
        self._reporter(
            replace(
                report,
                epoch=self._epochs_before + report.epoch,
                num_epochs=spec.num_epochs,
                delta_mtl=delta.mean,
                flops=network if isinstance(network, int) else network.flops(),
                gates=None if isinstance(network, int) else GateCounts.of(network.gate_map()),
            )
        )
