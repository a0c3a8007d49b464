"""GateLayout: the granularity of gates. It changes what can be shared, never the cost of the extremes."""

from dataclasses import dataclass
from typing import Literal, get_args

from gatefront.spaces.errors import SpaceError

Estimator = Literal["straight_through", "hard_concrete"]
"""Gradient by which a gate is trained: see :mod:`gatefront.spaces.gating.estimators`."""

Granularity = Literal["conv", "block", "stage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLayout:
    """Positions of gates, and the number of channels that one of them controls.

    ``granularity`` puts a gate after every layer (``conv``), where a block ends and the network is one stream
    (``block``), or where the resolution changes (``stage``). ``channel_group`` neighboring channels share a gate.
    Groups of 8 or 16 keep the pruned network's kernels fast.
    """

    granularity: Granularity = "conv"
    channel_group: int = 1

    def __post_init__(self) -> None:
        if self.granularity not in get_args(Granularity):
            raise SpaceError(
                f"granularity must be one of {', '.join(get_args(Granularity))}, found {self.granularity!r}."
            )
        if self.channel_group < 1:
            raise SpaceError(f"channel_group must be at least 1, found {self.channel_group}.")
