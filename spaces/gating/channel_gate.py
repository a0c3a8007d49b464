"""ChannelGate: per channel and task, keep one's own feature or take the shared one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gatefront.spaces.gating.estimators import Estimator, hard_concrete, straight_through
from gatefront.spaces.gating.fused_gate import choose_and_mix


class ChannelGate(nn.Module):
    """The gate of one site, for T tasks and C channels in groups of ``group_size`` (InterroGate, Eqs. 2 and 3).

    ``alpha`` ``[tasks, groups]`` are the gate logits, ``beta`` ``[tasks, channels]`` the mixing logits.
    The gate is ``G = 1[alpha >= 0]``. The paper names no estimator of its gradient: ``estimator`` chooses one,
    the usual straight-through sigmoid unless set otherwise. Only a gate in training mode whose logits learn is
    ever random.
    """

    alpha: nn.Parameter
    beta: nn.Parameter

    def __init__(
        self, num_tasks: int, num_channels: int, *, channel_axis: int, initial_logit: float, group_size: int = 1
    ) -> None:
        super().__init__()
        self.channel_axis = channel_axis
        self.group_size = group_size
        self.estimator: Estimator = "straight_through"
        num_groups = -(-num_channels // group_size)
        self.alpha = nn.Parameter(torch.full((num_tasks, num_groups), float(initial_logit)))
        self.beta = nn.Parameter(torch.zeros(num_tasks, num_channels))

    def forward(self, shared: Tensor | None, own: Sequence[Tensor | None]) -> tuple[Tensor | None, list[Tensor | None]]:
        """Choose per task, then mix: ``psi, [phi_1 .. phi_T] -> m, [s_1 .. s_T]``.

        ``s_t = G_t * phi_t + (1 - G_t) * psi`` and ``m = sum_t softmax_t(beta) * s_t``. Behind frozen gates a
        value that nobody reads is None: then the other one is the choice, and a mix that lacks a part is None.
        """
        G, w = self.sample(), torch.softmax(self.beta, dim=0)
        present = [phi for phi in own if phi is not None]
        if shared is not None and len(present) == len(own) and not self._is_random:
            mix, chosen = choose_and_mix(G, w, shared, present, self.channel_axis)
            return mix, [*chosen]
        s = [self._choose(G[t], shared, phi) for t, phi in enumerate(own)]
        m: Tensor | None = None
        for t, value in enumerate(s):
            if value is None:
                return None, s
            term = value * self._along_channels(w[t], value)
            m = term if m is None else m + term
        return m, s

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
        """``[tasks, channels]``: G with its estimator's gradient; exactly 0 or 1 unless it is random."""
        return self.per_channel(hard_concrete(self.alpha) if self._is_random else straight_through(self.alpha))

    def probabilities(self) -> Tensor:
        """``sigmoid(alpha)``: ``[tasks, groups]``."""
        return torch.sigmoid(self.alpha)

    def pattern(self) -> Tensor:
        """The hard gates: bool ``[tasks, channels]``, True where the task keeps its own channel."""
        return self.per_channel(self.alpha.detach() >= 0).cpu()

    def per_channel(self, per_group: Tensor) -> Tensor:
        """``[tasks, groups] -> [tasks, channels]``: every channel has the value of its group."""
        if self.group_size == 1:
            return per_group
        return per_group.repeat_interleave(self.group_size, dim=1)[:, : self.beta.shape[1]]

    def group_channels(self) -> Tensor:
        """``[groups]``: how many channels each gate answers for; the last group may be smaller."""
        num_channels = self.beta.shape[1]
        starts = torch.arange(0, num_channels, self.group_size)
        return (num_channels - starts).clamp(max=self.group_size)

    def per_group(self, per_channel: Tensor) -> Tensor:
        """``[tasks, channels] -> [tasks, groups]``: the value of each group's first channel."""
        return per_channel[:, :: self.group_size]
