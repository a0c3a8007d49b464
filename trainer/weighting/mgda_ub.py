"""MGDA-UB (Sener and Koltun 2018): MGDA on the gradients of one representation that all decoders read."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchjd.aggregation import MGDAWeighting

from gatefront.spaces.networks.shared_network import SharedNetwork
from gatefront.trainer.config import TrainConfigError
from gatefront.trainer.weighting.weighting import TrainingStep, Weighting


class RepresentationWeighting(Weighting):
    """Weighting ``sum_t w_t l_t`` with MGDA's weights for the gradients at the encoder's output.

    It makes one backward pass per task through the decoders alone, then one through everything. This optimizes an upper
    bound of MGDA's objective at nearly the cost of plain training.

    Raises:
        TrainConfigError: the network's decoders do not all read one representation.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if not isinstance(network, SharedNetwork):
            raise TrainConfigError(
                f'train.weighting "mgda-ub" needs one representation that all decoders read; {type(network).__name__} '
                "has none.",
                hint='Choose "mgda".',
            )
        self._features: list[Tensor] = []
        self._mgda = MGDAWeighting()
        network.encoder.register_forward_hook(self._keep)

    def backward(self, step: TrainingStep) -> None:
        rows = [torch.autograd.grad(loss, self._features, retain_graph=True, allow_unused=True) for loss in step.losses]
        jacobian = torch.stack([_flat(row, self._features) for row in rows])
        # As in MGDA on the parameters, a task without labels in this batch is left out.
        present = jacobian.ne(0).any(dim=1)
        weights = torch.ones(len(rows), device=jacobian.device)
        if bool(present.any()) and bool(jacobian.isfinite().all()):
            seen = jacobian[present]
            weights[present] = len(seen) * self._mgda(seen @ seen.T)
        (weights * step.values).sum().backward()  # type: ignore[no-untyped-call]

    def _keep(self, _encoder: nn.Module, _images: object, output: object) -> None:
        self._features = _tensors(output) if torch.is_grad_enabled() else []


def _flat(row: Sequence[Tensor | None], features: Sequence[Tensor]) -> Tensor:
    parts = [torch.zeros_like(z) if g is None else g for g, z in zip(row, features, strict=True)]
    return torch.cat([part.reshape(-1).float() for part in parts])


def _tensors(output: object) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        return [tensor for value in output.values() for tensor in _tensors(value)]
    if isinstance(output, Sequence):
        return [tensor for value in output for tensor in _tensors(value)]
    return []
