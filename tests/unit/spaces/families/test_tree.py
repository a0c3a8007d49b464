"""A tree computes what its parts compute: hard sharing and single-task networks at its ends, and all between."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from gatefront.spaces import Architecture, SpaceError, Task, count_flops
from gatefront.spaces.families import build_family, plain_network
from gatefront.spaces.families.task_tree import enumerate_trees
from gatefront.spaces.families.tree import TreeNetwork, build_tree

CLASSES = tuple(Task(name=name, kind="classification", num_outputs=10) for name in ("left", "right", "type"))
DENSE = (Task(name="parts", kind="segmentation", num_outputs=5), Task(name="depth", kind="depth", num_outputs=1))
DIGITS = Architecture(backbone="smallconv", tasks=CLASSES, in_channels=1, input_size=(12, 14))
TOKENS = Architecture(backbone="test_vit2", tasks=CLASSES, in_channels=3, input_size=(32, 32))
MAPS = Architecture(backbone="resnet18", tasks=DENSE, in_channels=3, input_size=(32, 32), decoder_width=8)


def _images(architecture: Architecture) -> torch.Tensor:
    return torch.randn(
        2, architecture.in_channels, *architecture.input_size, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("architecture", [DIGITS, TOKENS, MAPS], ids=["digits", "tokens", "maps"])
@pytest.mark.parametrize(("family", "place"), [("hard-sharing", 0), ("single-task", -1)])
def test_ends_of_the_enumeration_cost_as_much_as_hard_sharing_and_single_task(
    architecture: Architecture, family: str, place: int
) -> None:
    shape = (architecture.in_channels, *architecture.input_size)
    segments = len(build_tree(architecture).tree.partitions)
    tree = list(enumerate_trees(architecture.task_names, segments))[place]
    built = build_tree(architecture, partitions=tree.partitions)
    assert count_flops(built, shape) == count_flops(build_family(family, architecture), shape)


@pytest.mark.parametrize("architecture", [DIGITS, TOKENS, MAPS], ids=["digits", "tokens", "maps"])
def test_plain_network_of_a_tree_has_its_outputs_and_cost(architecture: Architecture) -> None:
    network = build_tree(architecture).eval()
    images, shape = _images(architecture), (architecture.in_channels, *architecture.input_size)
    plain = plain_network(network)
    for own, other in zip(network(images).values(), plain(images), strict=True):
        torch.testing.assert_close(other, own, rtol=1e-4, atol=1e-4)
    assert count_flops(plain, shape) == count_flops(network, shape)


def test_gradients_of_a_task_reach_its_own_path_alone() -> None:
    parts = [[["left", "right", "type"]], [["left", "right"], ["type"]], [["left"], ["right"], ["type"]]]
    network = build_tree(DIGITS, partitions=parts)
    network(_images(DIGITS))["right"].sum().backward()
    reached = {
        int(name.removeprefix("encoder.part").split(".")[0])
        for name, parameter in network.named_parameters()
        if name.startswith("encoder.") and parameter.grad is not None
    }
    assert reached == {0, 1, 4}  # all tasks, {left, right}, right


def test_tree_with_widths_of_its_own_per_task_is_built_again_from_its_settings() -> None:
    widths = {"left": [4, 8, 8, 12, 30], "right": [4, 8, 8, 12, 20], "type": [4, 8, 8, 2, 5]}
    parts = [[["left", "right", "type"]], [["left", "right"], ["type"]], [["left"], ["right"], ["type"]]]
    network = build_tree(DIGITS, partitions=parts, widths=widths).eval()
    again = build_family("tree", DIGITS, network.settings).eval()
    assert isinstance(again, TreeNetwork)
    again.load_state_dict(network.state_dict())
    for own, other in zip(network(_images(DIGITS)).values(), again(_images(DIGITS)).values(), strict=True):
        assert torch.equal(own, other)
    assert [network.heads[name].get_submodule("linear").in_features for name in widths] == [30, 20, 5]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"partitions": [[["left", "right"]]] * 3}, "its tasks are those of the architecture"),
        ({"partitions": [[["left", "right", "other"]]] * 3}, "its tasks are those of the architecture"),
        ({"partitions": [[["left", "right", "type"]]]}, "has 3 segments .found 1 partitions."),
        ({"ends": ["act", "stage1_2"]}, "segments end at its nodes, in depth order"),
        ({"ends": ["nowhere"]}, "segments end at its nodes, in depth order"),
        ({"widths": {"left": [4, 8, 8, 16, 32]}}, "found none for right, type"),
        (
            {"widths": {"left": [4, 8, 8, 16, 32], "right": [3, 8, 8, 16, 32], "type": [4, 8, 8, 16, 32]}},
            "left and right share stage1_0 at one width",
        ),
    ],
)
def test_settings_that_make_no_tree_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        build_tree(DIGITS, **settings)


def test_shared_trunk_of_decoders_is_refused() -> None:
    with pytest.raises(SpaceError, match="share_decoder makes one trunk"):
        build_tree(replace(MAPS, share_decoder=True))
