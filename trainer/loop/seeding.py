"""Every random number of a training comes from one seed, and its state can be put away and taken up again."""

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch on all devices: what initialises weights and drives dropout."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Tensor]:
    """The state of the generators that a running training draws from: torch's, on the CPU and on each GPU."""
    state = {"cpu": torch.get_rng_state()}
    for index in range(torch.cuda.device_count()):
        state[f"cuda:{index}"] = torch.cuda.get_rng_state(index)
    return state


def restore_random_state(state: Mapping[str, Tensor]) -> None:
    """Goes on where :func:`random_state` was taken; a GPU that is not here any more is left out."""
    torch.set_rng_state(state["cpu"])
    for index in range(torch.cuda.device_count()):
        if f"cuda:{index}" in state:
            torch.cuda.set_rng_state(state[f"cuda:{index}"], index)
