"""Cost of a training in FLOPs."""

from collections.abc import Sequence

from torch import nn

from gatefront.spaces.graph.flop_counter import count_flops

_FORWARD_AND_BACKWARD = 3  # a backward pass computes two products for each one of the forward pass


def count_training_flops(
    network: nn.Module, input_shape: Sequence[int], num_samples: int, *, step_cost: float = 1.0
) -> float:
    """Return ``3 x forward FLOPs x samples``. ``input_shape`` is ``(channels, height, width)``.

    ``step_cost`` is that of the weighting, as a multiple of one forward and one backward pass.
    """
    return float(_FORWARD_AND_BACKWARD * step_cost * count_flops(network, input_shape) * num_samples)
