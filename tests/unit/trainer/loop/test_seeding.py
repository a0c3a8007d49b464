"""One seed decides every draw, and the state can be taken up again."""

import random

import numpy as np
import torch

from gatefront.trainer.loop.seeding import random_state, restore_random_state, seed_everything


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_equal_seeds_give_equal_draws() -> None:
    seed_everything(5)
    first = draws()
    seed_everything(5)
    assert draws() == first
    seed_everything(6)
    assert draws() != first


def test_state_goes_on_where_it_was() -> None:
    seed_everything(1)
    torch.rand(3)
    state = random_state()
    expected = torch.rand(4)
    torch.rand(100)
    restore_random_state(state)
    assert torch.equal(torch.rand(4), expected)
