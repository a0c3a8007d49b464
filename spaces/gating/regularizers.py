"""Sparsity loss of the paper: a hinge on the fraction of channels that each task keeps for itself."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.gating.channel_gate import ChannelGate


def hinge_sparsity(gates: Iterable[ChannelGate], tau: Sequence[float]) -> Tensor:
    """Return ``(1/T) sum_t max(0, (1/L) sum_l mean_c sigmoid(alpha_t^l) - tau_t)``, a scalar (InterroGate, Eq. 4).

    The mean over a layer's channels is ours, because the printed ``1/L`` alone would not give a fraction. ``L`` counts
    the layers that the task reads.

    Raises:
        SpaceError: ``tau`` has not one target per task, or there is no gate.
    """
    gates = list(gates)
    if not gates:
        raise SpaceError("gates is empty: the backbone has no layer whose output a gate could choose.")
    if len(tau) != gates[0].alpha.shape[0]:
        raise SpaceError(f"tau needs one target per task: {gates[0].alpha.shape[0]} tasks, found {len(tau)} targets.")
    of_sites = torch.stack([gate.probabilities().mean(dim=1) for gate in gates])
    num_sites = torch.stack([gate.readers for gate in gates]).sum(dim=0)
    fraction = of_sites.sum(dim=0) / num_sites.clamp(min=1)
    return torch.relu(fraction - torch.as_tensor(tau, dtype=fraction.dtype, device=fraction.device)).mean()
