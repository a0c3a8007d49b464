"""Random numbers of a training, which come from one seed. Their state can be saved and restored."""

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on all devices, which initialize weights and drive dropout."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Tensor]:
    """Return the state of the generators that a training draws from: torch's, on the CPU and on each GPU."""
    state = {"cpu": torch.get_rng_state()}
    for index in range(torch.cuda.device_count()):
        state[f"cuda:{index}"] = torch.cuda.get_rng_state(index)
    return state


def restore_random_state(state: Mapping[str, Tensor]) -> None:
    """Restore a state from :func:`random_state`. Skip GPUs that no longer exist."""
    torch.set_rng_state(state["cpu"])
    for index in range(torch.cuda.device_count()):
        if f"cuda:{index}" in state:
            torch.cuda.set_rng_state(state[f"cuda:{index}"], index)
