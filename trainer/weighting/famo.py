"""FAMO (Liu et al. 2023): losses fall at equal relative rates, by their values alone."""

from typing import Any

import torch
from torch import Tensor, nn
from torchjd.scalarization import FAMO

from gatefront.trainer.weighting.scalarization import fill_absent
from gatefront.trainer.weighting.weighting import TrainingStep, Weighting


class FamoWeighting(Weighting):
    """Loss ``T c sum_t z_t log l_t`` with ``z = softmax(w)``, ``c = 1 / sum_t (z_t / l_t)`` (Liu et al. 2023, Alg. 1).

    After the update, w follows the change of ``log l`` on the same batch, by Adam at the paper's rate of 0.025. That
    takes one more forward pass, with copies of buffers, so that running statistics see no batch twice. The factor T,
    which the paper lacks, keeps the losses' scale. A task without labels in a batch is left out.

    Args:
        network: the network whose parameters learn.
        num_tasks: the number of losses.
    """

    def __init__(self, network: nn.Module, num_tasks: int) -> None:
        super().__init__()
        # Tuples keep both out of the weighting's parameters, which the network's optimizer updates.
        self._network = (network,)
        self._famo = (FAMO(num_tasks),)
        self._last: TrainingStep | None = None

    @property
    def logits(self) -> Tensor:
        """Present w ``[tasks]``."""
        (famo,) = self._famo
        return famo._w.detach()

    def backward(self, step: TrainingStep) -> None:
        self._follow_last()
        (famo,) = self._famo
        famo.to(step.values.device)
        total: Tensor = len(step.losses) * famo(fill_absent(step.values))
        total.backward()  # type: ignore[no-untyped-call]
        self._last = step

    def end_epoch(self) -> None:
        self._follow_last()

    def get_extra_state(self) -> dict[str, Any]:
        (famo,) = self._famo
        adam = famo._optimizer
        return {"w": famo._w.detach().clone(), "adam": None if adam is None else adam.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        (famo,) = self._famo
        famo._w.data.copy_(state["w"])
        if state["adam"] is not None:
            famo._optimizer = torch.optim.Adam([famo._w], lr=famo.lr, weight_decay=famo.weight_decay)
            famo._optimizer.load_state_dict(state["adam"])

    def _follow_last(self) -> None:
        """Move w by what the last update did to the losses of its batch."""
        if self._last is None:
            return
        (network,), (famo,), last = self._network, self._famo, self._last
        self._last = None
        buffers = {name: value.clone() for name, value in network.named_buffers()}
        with torch.no_grad():
            after = torch.stack(last.losses_of(last.batch, buffers))
        before = last.values.detach()
        famo.update(torch.where(before > 0, after, fill_absent(before)))
