"""The cap on parameters: kept by the pruned network itself, and nearly spent."""

import pytest
import torch

from gatefront.spaces import (
    Architecture,
    BudgetBelowFloorError,
    GateLayout,
    InterroGateNetwork,
    Task,
    build_gated_network,
    count_parameters,
    project_to_budgets,
    prune_network,
)

TASKS = tuple(Task(name=name, kind="depth", num_outputs=1) for name in ("a", "b", "c"))


@pytest.fixture(scope="module")
def network() -> InterroGateNetwork:
    torch.manual_seed(0)
    architecture = Architecture(
        backbone="smallconv", tasks=TASKS, in_channels=1, input_size=(16, 16), decoder_width=4, stem="small"
    )
    gated = build_gated_network(architecture, GateLayout()).eval()
    for gate in gated.channel_gates():
        torch.nn.init.normal_(gate.alpha)
    return gated


def _parameters(network: InterroGateNetwork, flop_budget: int, param_budget: int | None) -> tuple[int, int]:
    """FLOPs and parameters of what the two caps leave."""
    pattern = project_to_budgets(network, flop_budget, param_budget=param_budget)
    logits = [gate.alpha.clone() for gate in network.channel_gates()]
    network.set_gate_pattern(pattern)
    found = network.flops(), count_parameters(prune_network(network))
    with torch.no_grad():
        for gate, alpha in zip(network.channel_gates(), logits, strict=True):
            gate.alpha.copy_(alpha)
    return found


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_both_caps_are_kept_and_one_of_them_is_spent(network: InterroGateNetwork, share: float) -> None:
    _, least = _parameters(network, network.cost.floor, None)
    _, most = _parameters(network, network.cost.ceiling, None)
    cap = least + int(share * (most - least))
    flops, count = _parameters(network, network.cost.ceiling, cap)
    assert flops <= network.cost.ceiling
    assert 0.97 * cap <= count <= cap


def test_a_wide_cap_changes_nothing(network: InterroGateNetwork) -> None:
    budget = (network.cost.floor + network.cost.ceiling) // 2
    free = project_to_budgets(network, budget, param_budget=None)
    capped = project_to_budgets(network, budget, param_budget=10**9)
    assert all(torch.equal(one, other) for one, other in zip(free, capped, strict=True))


def test_the_network_stays_as_it_is(network: InterroGateNetwork) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    project_to_budgets(network, network.cost.ceiling, param_budget=_parameters(network, network.cost.floor, None)[1])
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_cap_that_nothing_keeps_is_refused_with_both_numbers(network: InterroGateNetwork) -> None:
    _, least = _parameters(network, network.cost.floor, None)
    with pytest.raises(BudgetBelowFloorError, match=f"param_budget = 100 is under the {least:,} parameters"):
        project_to_budgets(network, network.cost.ceiling, param_budget=100)
