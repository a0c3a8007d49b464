"""The cost at any widths is what the counter finds on a network that is built with them."""

import functools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import fx

from gatefront.spaces import Architecture, Task, count_flops
from gatefront.spaces.graph.width_cost import WidthCost
from gatefront.spaces.networks.encoder import build_encoder

TASK = Task(name="label", kind="classification", num_outputs=3)
SIZES = {"smallconv": 12, "resnet18": 32, "mobilenetv3_small_050": 32, "test_vit2": 32, "pvt_v2_b0": 64, "vgg11": 32}


@functools.cache
def _encoder(backbone: str) -> tuple[Architecture, fx.GraphModule]:
    size = SIZES[backbone]
    architecture = Architecture(backbone=backbone, tasks=(TASK,), in_channels=3, input_size=(size, size))
    return architecture, build_encoder(architecture)


@pytest.mark.xdist_group("width_cost")
@pytest.mark.parametrize("backbone", SIZES)
@given(data=st.data())
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_cost_at_random_widths_equals_the_count_of_the_built_encoder(backbone: str, data: st.DataObject) -> None:
    architecture, encoder = _encoder(backbone)
    cost = WidthCost(encoder.graph)
    widths = tuple(
        group.unit * data.draw(st.integers(1, max(1, min(40, 2 * group.num_units)))) for group in cost.groups
    )
    built = build_encoder(replace(architecture, layer_widths=widths))
    assert cost.flops(widths) == count_flops(built, (3, *architecture.input_size))


def test_encoder_of_one_unit_everywhere_costs_what_is_said() -> None:
    architecture, encoder = _encoder("pvt_v2_b0")
    cost = WidthCost(encoder.graph)
    least = tuple(group.unit for group in cost.groups)
    built = build_encoder(replace(architecture, layer_widths=least))
    assert cost.flops(least) == count_flops(built, (3, *architecture.input_size))


def test_cost_of_parts_adds_up_to_the_cost_of_the_whole() -> None:
    _, encoder = _encoder("resnet18")
    cost = WidthCost(encoder.graph)
    nodes = list(encoder.graph.nodes)
    parts = [cost.terms(nodes[: len(nodes) // 3]), cost.terms(nodes[len(nodes) // 3 :])]
    assert sum(cost.flops(cost.own_widths, part) for part in parts) == cost.flops(cost.own_widths)
    assert all(cost.flops(cost.own_widths, part) > 0 for part in parts)
