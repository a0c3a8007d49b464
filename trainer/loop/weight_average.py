"""WeightAverage: the exponential moving average of a network's weights over the steps of a training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Average ``a <- d a + (1 - d) w`` after every step, with ``d = min(decay, (1 + n) / (10 + n))`` at step n.

    The smaller decay of the first steps forgets the initial weights (as in TensorFlow's ExponentialMovingAverage).
    Running statistics of norms are averaged as well, because they belong to the weights. Polyak and Juditsky, 1992.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._average = _copy(network.state_dict())
        self._num_steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the network's present weights."""
        self._num_steps += 1
        decay = min(self._decay, (1 + self._num_steps) / (10 + self._num_steps))
        present = network.state_dict()
        averaged = [name for name, tensor in present.items() if tensor.is_floating_point()]
        own, new = [self._average[name] for name in averaged], [present[name] for name in averaged]
        torch._foreach_lerp_(own, new, 1 - decay)
        for name in present.keys() - set(averaged):
            self._average[name].copy_(present[name])

    @contextmanager
    def in_place_of_weights(self, network: nn.Module) -> Iterator[None]:
        """Give the network the averaged weights, and its own back at the end."""
        own = _copy(network.state_dict())
        network.load_state_dict(self._average)
        try:
            yield
        finally:
            network.load_state_dict(own)

    def state(self) -> dict[str, Tensor]:
        """Return the state for :meth:`restore`."""
        return {**self._average, _NUM_STEPS: torch.tensor(self._num_steps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._num_steps = int(state[_NUM_STEPS])
        for name, tensor in self._average.items():
            tensor.copy_(state[name])


_NUM_STEPS = "number of steps"  # no tensor of a network has a name with a space


def _copy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state.items()}
