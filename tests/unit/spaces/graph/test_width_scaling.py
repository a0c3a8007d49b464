"""Layers get exactly the widths asked for, and added channels differ from those that were there."""

from dataclasses import replace

import pytest
import torch

from gatefront.spaces import Architecture, SpaceError, Task
from gatefront.spaces.graph.channel_groups import scalable_groups
from gatefront.spaces.networks.encoder import build_encoder

TASK = Task(name="label", kind="classification", num_outputs=3)
SMALL = Architecture(backbone="smallconv", tasks=(TASK,), in_channels=1, input_size=(12, 14))


def test_layer_widths_give_every_group_its_channels_also_behind_a_flattened_map() -> None:
    encoder = build_encoder(replace(SMALL, layer_widths=(5, 9, 3, 16, 34)))
    assert [group.channels for group in scalable_groups(encoder.graph)] == [5, 9, 3, 16, 34]
    assert encoder(torch.zeros(2, 1, 12, 14))[0].shape == (2, 34)


def test_widened_layers_start_from_channels_that_differ_although_channels_are_repeated() -> None:
    torch.manual_seed(0)
    encoder = build_encoder(replace(SMALL, layer_widths=(8, 8, 8, 16, 32)))
    weight = encoder.get_submodule("stage1.0").get_parameter("weight").flatten(1)
    assert len(weight.unique(dim=0)) == 8  # four of the eight repeat the backbone's own four channels


def test_dropout_that_runs_at_two_widths_couples_no_layers() -> None:
    """PVT's blocks run one dropout over hidden and over token channels; their widths are independent."""
    architecture = Architecture(backbone="pvt_v2_b0", tasks=(TASK,), in_channels=3, input_size=(32, 32))
    groups = scalable_groups(build_encoder(architecture).graph)
    assert all(len({node.meta["batched_shape"][node.meta["channel_axis"]] for node in g.nodes}) == 1 for g in groups)


@pytest.mark.parametrize(
    ("widths", "message"),
    [((4, 8, 8, 16), "has 5 of them .found 4."), ((4, 8, 8, 0, 32), "stage4_0 0 channels: they come in units of 1")],
)
def test_layer_widths_that_fit_no_layer_are_refused(widths: tuple[int, ...], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        build_encoder(replace(SMALL, layer_widths=widths))


def test_layer_widths_beside_a_width_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"they are channels at width 1 \(found width 0\.5\)"):
        replace(SMALL, width=0.5, layer_widths=(4, 8, 8, 16, 32))
