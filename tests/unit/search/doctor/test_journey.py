"""The doctor's journey: what would end a pull is found on an untrained network, with the step that fails."""

import sys

import pytest
import torch
from torch import Tensor, nn

from gatefront.search.doctor import journey
from gatefront.search.doctor.journey import Journey, take_family_journey, take_gated_journey
from gatefront.spaces import Architecture, GateLayout, PlainNetwork, Task, build_gated_network, prune_network
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.families import FAMILIES

TASKS = (Task(name="depth", kind="depth", num_outputs=1), Task(name="label", kind="classification", num_outputs=3))
FREE = Budgets()
STEPS = ["lift", "cut", "prune", "compare", "export", "verify"]


class Inexpressible(nn.Module):
    """An operation that ONNX has no form for."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 6, 3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        result: Tensor = self.last(x + torch.linalg.svdvals(x.mean(1))[:, None, None, :1])
        return result


@pytest.fixture(autouse=True)
def _user_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mynets_journey", sys.modules[__name__])


def _architecture(backbone: str = "smallconv") -> Architecture:
    return Architecture(backbone=backbone, tasks=TASKS, in_channels=3, input_size=(12, 16), decoder_width=4)


def _take(backbone: str = "smallconv", budgets: Budgets = FREE) -> Journey:
    return take_gated_journey(_architecture(backbone), GateLayout(), budgets)


def test_gated_journey_of_sound_network_takes_every_step() -> None:
    before = torch.random.get_rng_state()
    taken = _take()
    assert taken.fault is None
    assert taken.no_plan_because is None
    assert list(taken.seconds) == STEPS
    assert taken.total_seconds == pytest.approx(sum(taken.seconds.values()))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_gated_journey_is_cut_to_the_budget() -> None:
    cost = build_gated_network(_architecture()).cost
    assert _take(budgets=Budgets(flops=cost.ceiling)).fault is None
    assert _take(budgets=Budgets(flops=cost.floor)).fault is None
    below = _take(budgets=Budgets(flops=cost.floor - 1))
    assert list(below.seconds) == ["lift", "cut"]
    assert "is under the floor" in (below.fault or "")
    few = _take(budgets=Budgets(params=10))
    assert "param_budget = 10 is under the" in (few.fault or "")


def test_gated_journey_of_operation_without_onnx_form_fails_at_the_export() -> None:
    taken = _take("mynets_journey:Inexpressible")
    assert list(taken.seconds)[-1] == "export"
    assert taken.fault


def test_gated_journey_of_pruning_that_changes_the_network_fails_at_the_comparison(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def prune_wrongly(network: object) -> PlainNetwork:
        pruned = prune_network(network)  # type: ignore[arg-type]
        next(pruned.parameters()).mul_(1.1)
        return pruned

    monkeypatch.setattr(journey, "prune_network", prune_wrongly)
    taken = _take()
    assert list(taken.seconds)[-1] == "compare"
    assert "differs from the whole one by" in (taken.fault or "")


@pytest.mark.parametrize("family", FAMILIES)
def test_family_journey_takes_every_step(family: str) -> None:
    taken = take_family_journey(family, _architecture(), {})
    assert taken.fault is None
    assert list(taken.seconds) == ["build", "make plain", "compare", "export", "verify"]
