"""Where stages end."""

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import Architecture, SpaceError, Task
from gatefront.spaces.families.stages import find_stages, resolution
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.tracing.trace import trace_network

DENSE = (Task(name="semseg", kind="segmentation", num_outputs=4),)
CLASSIFICATION = (Task(name="label", kind="classification", num_outputs=4),)


def _stages(backbone: str, tasks: tuple[Task, ...], *, output_stride: int | None = None) -> list[list[str]]:
    architecture = Architecture(
        backbone=backbone,
        tasks=tasks,
        in_channels=3,
        input_size=(32, 32),
        width=0.25,
        output_stride=output_stride,
    )
    return [[block.name for block in stage.blocks] for stage in find_stages(build_encoder(architecture), name=backbone)]


def test_a_residual_network_has_four_stages_and_its_stem_is_no_stage() -> None:
    stages = _stages("resnet18", DENSE, output_stride=8)
    ends = [f"layer{number}_1_act2" for number in (1, 2, 3, 4)]
    assert [stage[-1] for stage in stages] == ends
    assert [stage[-2] for stage in stages] == [end.replace("_1_", "_0_") for end in ends]


def test_dilated_stages_are_one_where_only_the_last_is_handed_out() -> None:
    """Nothing then says where one ends: neither the resolution nor a reader."""
    ends = [stage[-1] for stage in _stages("resnet18", CLASSIFICATION, output_stride=8)]
    assert ends == ["layer1_1_act2", "layer4_1_act2"]


def test_layers_without_blocks_make_stages_by_resolution() -> None:
    assert _stages("smallconv", DENSE) == [["stage1_2", "stage2_2", "stage3_2"], ["stage4_2"]]
    assert _stages("smallconv", CLASSIFICATION)[-1] == ["act"]


class Squared(nn.Module):
    """A product of maps of five axes, none of which is known to be of channels."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps @ maps


@pytest.mark.parametrize(
    ("encoder", "reason"),
    [
        (nn.AvgPool2d(2), "none of its layers costs anything"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Unflatten(1, (2, 2)), Squared()), "cannot hold a gate"),
    ],
    ids=["no-layers", "no-channels"],
)
def test_an_encoder_without_places_to_attach_to_is_refused(encoder: nn.Module, reason: str) -> None:
    traced = trace_network(_AsList(encoder), (3, 8, 8), name="this encoder")
    with pytest.raises(SpaceError, match=f"this encoder has no stages.*{reason}") as caught:
        find_stages(traced, name="this encoder")
    assert "Choose a backbone" in caught.value.hint


def test_values_that_leave_at_once_end_a_stage_each() -> None:
    traced = trace_network(_TwoStreams(), (3, 8, 8), name="two streams")
    assert [stage.end.name for stage in find_stages(traced, name="two streams")] == ["fine", "coarse"]


def test_value_of_several_views_per_image_ends_no_stage() -> None:
    traced = trace_network(_Mirrored(), (3, 8, 8), name="mirrored")
    (stage,) = find_stages(traced, name="mirrored")
    assert [block.name for block in stage.blocks] == ["first", "last"]


def test_resolution_counts_places() -> None:
    traced = trace_network(_TwoStreams(), (3, 6, 8), name="two streams")
    by_name = {node.name: node for node in traced.graph.nodes}
    assert resolution(by_name["fine"]) == 48
    assert resolution(by_name["coarse"]) == 12


class _AsList(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.encoder(images)]


class _TwoStreams(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 4, 3, padding=1)
        self.coarse = nn.Conv2d(3, 4, 3, padding=1, stride=2)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.fine(images), self.coarse(images)]


class _Mirrored(nn.Module):
    """Computes each image and its mirror image in one batch of twice as many."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.both = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 4, 3, padding=1, stride=2)

    def forward(self, images: Tensor) -> list[Tensor]:
        value = self.first(images)
        views = self.both(torch.cat([value, value.flip(3)], dim=0))
        return [self.last(views[: len(images)] + views[len(images) :].flip(3))]
