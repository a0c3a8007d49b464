"""ChannelGate: the choice, per channel and task, between the task's own feature and the shared one."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatefront.spaces.gating.estimators import hard_concrete, straight_through
from gatefront.spaces.gating.fused_gate import choose_and_mix
from gatefront.spaces.gating.gate_layout import Estimator


class ChannelGate(nn.Module):
    """Gate of one site, for T tasks and C channels in groups of ``group_size`` (InterroGate, Eqs. 2 and 3).

    ``alpha`` ``[tasks, groups]`` are the gate logits, ``beta`` ``[tasks, channels]`` the mixing logits. The gate is
    ``G = 1[alpha >= 0]``. The paper names no estimator of its gradient. ``estimator`` chooses one, by default the usual
    straight-through sigmoid. Only a gate in training mode whose logits learn is ever random.

    ``readers`` ``[tasks]`` are the tasks whose predictions depend on this site, by default all. The other tasks have no
    choice here: their gates count as shut, and no mix holds their part.
    """

    alpha: nn.Parameter
    beta: nn.Parameter
    readers: Tensor

    def __init__(
        self,
        num_tasks: int,
        num_channels: int,
        *,
        channel_axis: int,
        initial_logit: float,
        group_size: int = 1,
        readers: Sequence[bool] | None = None,
    ) -> None:
        super().__init__()
        self.channel_axis = channel_axis
        self.group_size = group_size
        self.estimator: Estimator = "straight_through"
        num_groups = -(-num_channels // group_size)
        self.alpha = nn.Parameter(torch.full((num_tasks, num_groups), float(initial_logit)))
        self.beta = nn.Parameter(torch.zeros(num_tasks, num_channels))
        reads = torch.ones(num_tasks, dtype=torch.bool) if readers is None else torch.tensor(readers)
        # Not part of the state: it follows from the network.
        self.register_buffer("readers", reads, persistent=False)
        self._reading = reads.nonzero().flatten().tolist()

    def forward(self, shared: Tensor | None, own: Sequence[Tensor | None]) -> tuple[Tensor | None, list[Tensor | None]]:
        """Choose per task, then mix: ``psi, [phi_1 .. phi_T] -> m, [s_1 .. s_T]``.

        ``s_t = G_t * phi_t + (1 - G_t) * psi`` and ``m = sum_t w_t * s_t``, where ``w`` is the softmax of ``beta`` over
        the readers. A value that nobody reads is None. If psi or phi_t is None, the other one is the choice. A mix that
        lacks a part is None, and so is the choice of a task that is no reader.
        """
        if not self._reading:
            return None, [None] * len(own)
        G, w = self.sample(), self.mixing_weights()
        s: list[Tensor | None] = [None] * len(own)
        present = [phi for t in self._reading if (phi := own[t]) is not None]
        if shared is not None and len(present) == len(self._reading) and not self._is_random:
            if len(present) < len(own):
                G, w = G[self.readers], w[self.readers]
            mix, chosen = choose_and_mix(G, w, shared, present, self.channel_axis)
            for t, choice in zip(self._reading, chosen, strict=True):
                s[t] = choice
            return mix, s
        m: Tensor | None = None
        is_whole = True
        for t in self._reading:
            value = self._choose(G[t], shared, own[t])
            s[t] = value
            if value is None:
                is_whole = False
            else:
                term = value * self._along_channels(w[t], value)
                m = term if m is None else m + term
        return m if is_whole else None, s

    def _choose(self, g: Tensor, shared: Tensor | None, own: Tensor | None) -> Tensor | None:
        if shared is None or own is None:
            return own if shared is None else shared
        # lerp is exact at weights 0 and 1: a shut gate gives psi itself, an open one phi_t itself.
        return torch.lerp(shared, own, self._along_channels(g, own))

    def _along_channels(self, per_channel: Tensor, value: Tensor) -> Tensor:
        shape = [1] * value.dim()
        shape[self.channel_axis] = -1
        return per_channel.view(shape).to(value.dtype)

    @property
    def _is_random(self) -> bool:
        return self.estimator == "hard_concrete" and self.training and self.alpha.requires_grad

    def sample(self) -> Tensor:
        """Return G ``[tasks, channels]`` with its estimator's gradient. It is exactly 0 or 1 unless it is random."""
        sampled = hard_concrete(self.alpha) if self._is_random else straight_through(self.alpha)
        return self.per_channel(self.of_readers(sampled))

    def mixing_weights(self) -> Tensor:
        """Return ``[tasks, channels]``: each task's weight in the mix. Weights sum to one over the readers."""
        return torch.softmax(self.of_readers(self.beta, otherwise=-math.inf), dim=0)

    def probabilities(self) -> Tensor:
        """Return ``sigmoid(alpha)`` ``[tasks, groups]``, zero for a task that is no reader."""
        return self.of_readers(torch.sigmoid(self.alpha))

    def pattern(self) -> Tensor:
        """Return the hard gates: bool ``[tasks, channels]``, True where the task keeps its own channel."""
        return self.per_channel((self.alpha.detach() >= 0) & self.readers[:, None]).cpu()

    def of_readers(self, values: Tensor, *, otherwise: float = 0.0) -> Tensor:
        """Return ``values`` ``[tasks, ...]`` of the readers, and ``otherwise`` for every other task."""
        if len(self._reading) == len(values):
            return values
        return values.masked_fill(~self.readers[:, None], otherwise)

    def per_channel(self, per_group: Tensor) -> Tensor:
        """Return ``[tasks, channels]`` from ``[tasks, groups]``. Every channel has the value of its group."""
        if self.group_size == 1:
            return per_group
        return per_group.repeat_interleave(self.group_size, dim=1)[:, : self.beta.shape[1]]

    @property
    def num_gates(self) -> int:
        """Number of gates that can open: one per reader and group."""
        return len(self._reading) * self.alpha.shape[1]

    def group_channels(self) -> Tensor:
        """Return ``[groups]``: the number of channels that each gate controls. The last group may be smaller."""
        num_channels = self.beta.shape[1]
        starts = torch.arange(0, num_channels, self.group_size)
        return (num_channels - starts).clamp(max=self.group_size)

    def per_group(self, per_channel: Tensor) -> Tensor:
        """Return ``[tasks, groups]`` from ``[tasks, channels]``: the value of each group's first channel."""
        return per_channel[:, :: self.group_size]
