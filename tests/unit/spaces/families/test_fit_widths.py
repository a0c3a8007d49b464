"""Fitted networks use at least 98 % of a budget and never exceed it, as the counter finds on the built network."""

from dataclasses import replace

import pytest

from gatefront.spaces import Architecture, BudgetBelowFloorError, Task, count_flops
from gatefront.spaces.families import build_family
from gatefront.spaces.families.fit_widths import fit_widths
from gatefront.spaces.networks.network_cost import NetworkCost

CLASSES = tuple(Task(name=name, kind="classification", num_outputs=10) for name in ("left", "right", "type"))
DENSE = (Task(name="parts", kind="segmentation", num_outputs=5), Task(name="depth", kind="depth", num_outputs=1))
DIGITS = Architecture(backbone="smallconv", tasks=CLASSES, in_channels=1, input_size=(12, 14))
ROOMS = Architecture(backbone="smallconv", tasks=DENSE, in_channels=3, input_size=(16, 24), decoder_width=16)
RESNET = Architecture(backbone="resnet18", tasks=DENSE, in_channels=3, input_size=(32, 32), decoder_width=16)
SHARED_TRUNK = replace(ROOMS, share_decoder=True)


def _single_task_cost(architecture: Architecture) -> int:
    return count_flops(build_family("single-task", architecture), (architecture.in_channels, *architecture.input_size))


@pytest.mark.parametrize("family", ["hard-sharing", "single-task", "cross-stitch", "lomt"])
@pytest.mark.parametrize("architecture", [DIGITS, ROOMS], ids=["digits", "rooms"])
def test_fit_uses_the_budget_and_keeps_it(architecture: Architecture, family: str) -> None:
    cost, whole = NetworkCost(architecture), _single_task_cost(architecture)
    for share in (0.2, 0.45, 1.3):
        budget = int(share * whole)
        fitted = fit_widths(architecture, family, budget, cost=cost)
        flops = count_flops(build_family(family, fitted), (architecture.in_channels, *architecture.input_size))
        assert 0.98 * budget <= flops <= budget


@pytest.mark.parametrize(
    ("family", "architecture"),
    [("mtan", ROOMS), ("etr-nlp", DIGITS), ("single-task", SHARED_TRUNK), ("hard-sharing", RESNET)],
)
def test_fit_of_other_forms_uses_the_budget_and_keeps_it(family: str, architecture: Architecture) -> None:
    budget = _single_task_cost(architecture)
    fitted = fit_widths(architecture, family, budget)
    flops = count_flops(build_family(family, fitted), (architecture.in_channels, *architecture.input_size))
    assert 0.98 * budget <= flops <= budget


def test_fit_in_groups_of_channels_gives_multiples_of_the_group() -> None:
    fitted = fit_widths(RESNET, "hard-sharing", _single_task_cost(RESNET), channel_group=8)
    assert fitted.layer_widths is not None
    assert all(width % 8 == 0 for width in fitted.layer_widths)


def test_fit_does_not_widen_layers_that_start_from_trained_weights() -> None:
    fitted = fit_widths(replace(RESNET, weights="resnet.safetensors"), "hard-sharing", 10**12)
    whole = fit_widths(RESNET, "hard-sharing", 10**12)
    assert fitted.layer_widths is not None
    assert whole.layer_widths is not None
    assert max(fitted.layer_widths) == 512
    assert max(whole.layer_widths) > 512


def test_budget_under_the_narrowest_network_is_refused_with_its_cost() -> None:
    narrowest = count_flops(
        build_family("hard-sharing", replace(DIGITS, layer_widths=(1, 1, 1, 1, 1))), (1, *DIGITS.input_size)
    )
    with pytest.raises(BudgetBelowFloorError, match=rf"at least {narrowest:,} FLOPs") as refused:
        fit_widths(DIGITS, "hard-sharing", narrowest - 1)
    assert "the narrowest network costs more" in refused.value.message
    assert fit_widths(DIGITS, "hard-sharing", narrowest).layer_widths == (1, 1, 1, 1, 1)
