"""ChannelPool: the values of all branches before a gate, side by side, to select channels from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gatefront.spaces.pruning.graph_builder import PlainGraphBuilder, Value


@dataclass(slots=True)
class ChannelPool:
    """Values of the branches before one gate. They are concatenated when the first selection mixes branches."""

    builder: PlainGraphBuilder
    computed: dict[int, Value]
    axis: int
    num_channels: int

    def choose(self, branches: Tensor, channels: Tensor) -> Value:
        """Return channel ``channels[i]`` of branch ``branches[i]`` for all i, in the order that costs least."""
        asked = sorted(set(branches.tolist()))
        counts = {b: int((branches == b).sum()) for b in asked}
        if all(len(self._order(b)) == count for b, count in counts.items()):
            return self.builder.concatenate([self.computed[b] for b in asked], self.axis)
        if len(asked) == 1:
            wanted = torch.zeros(self.num_channels, dtype=torch.bool)
            wanted[channels] = True
            return self.builder.restrict(self.computed[asked[0]], wanted, self.axis)
        return self.take(branches, channels)

    def take(self, branches: Tensor, channels: Tensor) -> Value:
        """Return the same channels in exactly that order, in one selection."""
        asked = set(branches.tolist())
        if len(asked) == 1:
            return self.builder.arrange(self.computed[asked.pop()], channels, self.axis)
        pool = self.builder.concatenate([self.computed[b] for b in sorted(self.computed)], self.axis)
        selected = self.builder.select(pool, self._positions()[branches, channels], self.axis)
        return Value(selected.node, channels)

    def _positions(self) -> Tensor:
        """Return ``[branches, channels]``: the position of each in the concatenation, or -1 if it was not computed."""
        positions = torch.full((max(self.computed) + 1, self.num_channels), -1)
        offset = 0
        for b in sorted(self.computed):
            order = self._order(b)
            positions[b, order] = offset + torch.arange(len(order))
            offset += len(order)
        return positions

    def _order(self, b: int) -> Tensor:
        order = self.computed[b].order
        return torch.arange(self.num_channels) if order is None else order
