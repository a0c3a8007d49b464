"""BestEpoch: the weights of the best epoch so far, and how good it was."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from gatefront.trainer.loop.evaluation import Evaluation

TOLERANCE = 0.005
"""Difference of two scores that says nothing: half a percent, about the noise of a few thousand validation images."""


class BestEpoch:
    """Copy of a network's state after the last epoch that is within the tolerance of the highest score.

    The highest score itself is luck among epochs that are equally good, and the last of these trained longest.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.score = -float("inf")
        self._highest = -float("inf")
        self.evaluation = Evaluation(metrics={}, losses={})
        self._network: dict[str, Tensor] = {}

    def offer(
        self, network: nn.Module, epoch: int, score: float, evaluation: Evaluation, *, always: bool = False
    ) -> None:
        """Keep the network's state if its score is close to the highest so far, or ``always``.

        ``epoch`` counts from 1.
        """
        self._highest = max(self._highest, score)
        if score < self._highest - TOLERANCE and not always:
            return
        self.epoch, self.score, self.evaluation = epoch, score, evaluation
        self._network = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def restore_into(self, network: nn.Module) -> None:
        """Give the network the weights of the best epoch. Without any offer it keeps its own."""
        if self.epoch:
            network.load_state_dict(self._network)

    def state(self, *, last_epoch: int | None) -> dict[str, Any]:
        """Return the state for :meth:`restore`. Weights that the checkpoint holds anyway are left out.

        ``last_epoch`` is the epoch of the checkpoint's weights; None if other weights are kept, such as averages.
        """
        return {
            "epoch": self.epoch,
            "score": self.score,
            "highest": self._highest,
            "metrics": dict(self.evaluation.metrics),
            "losses": dict(self.evaluation.losses),
            "network": {} if self.epoch == last_epoch else self._network,
        }

    def restore(self, state: Mapping[str, Any], network: nn.Module) -> None:
        """Restore a state. ``network`` has the weights of the checkpoint that held it."""
        if not state:
            return  # an earlier release wrote the checkpoint
        self.epoch, self.score, self._highest = state["epoch"], state["score"], state["highest"]
        self.evaluation = Evaluation(metrics=state["metrics"], losses=state["losses"])
        saved: Mapping[str, Tensor] = state["network"] or network.state_dict()
        device = {name: tensor.device for name, tensor in network.state_dict().items()}
        self._network = {name: tensor.detach().to(device[name], copy=True) for name, tensor in saved.items()}
