"""MTAN: masks, refinement and who teaches what."""

import re

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from gatefront.spaces import Architecture, SpaceError, Task, build_shared_network
from gatefront.spaces.families import MtanNetwork, build_mtan
from gatefront.spaces.families.mtan_layers import AttentionMask, pool_to
from gatefront.spaces.tracing.trace import trace_network

DENSE = tuple(Task(name=name, kind="segmentation", num_outputs=4) for name in ("near", "far"))
LABEL = Task(name="label", kind="classification", num_outputs=3)


def _architecture(*tasks: Task, size: tuple[int, int] = (12, 16)) -> Architecture:
    return Architecture(backbone="smallconv", tasks=tasks, in_channels=3, input_size=size, decoder_width=8)


def _set_masks(network: MtanNetwork, logit: float) -> None:
    """Every mask becomes sigmoid(logit) everywhere."""
    for mask in network.modules():
        if isinstance(mask, AttentionMask):
            norm = mask[4]
            assert isinstance(norm, nn.BatchNorm2d)
            nn.init.zeros_(norm.weight)
            nn.init.constant_(norm.bias, logit)


@pytest.mark.parametrize("tasks", [(*DENSE, LABEL), (LABEL,)], ids=["maps", "vectors"])
@torch.no_grad()
def test_masks_that_let_everything_through_are_hard_sharing(tasks: tuple[Task, ...]) -> None:
    architecture = _architecture(*tasks)
    reference = build_shared_network(architecture).eval()
    network = build_mtan(architecture).eval()
    network.load_references({}, reference.state_dict())
    _set_masks(network, 40.0)
    images = torch.randn(2, 3, 12, 16)
    expected = reference(images)
    for name, found in network(images).items():
        torch.testing.assert_close(found, expected[name])


@torch.no_grad()
def test_masks_that_let_nothing_through_hide_the_images() -> None:
    network = build_mtan(_architecture(*DENSE)).eval()
    _set_masks(network, -200.0)
    one, other = network(torch.randn(1, 3, 12, 16)), network(torch.randn(1, 3, 12, 16))
    for name, found in one.items():
        assert torch.equal(found, other[name])


def test_a_task_teaches_its_own_masks_and_all_that_is_shared() -> None:
    network = build_mtan(_architecture(*DENSE))
    network(torch.randn(2, 3, 12, 16))["near"].square().mean().backward()
    taught = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    others = {name for name, _ in network.named_parameters()} - taught
    assert all(re.match(r"(encoder\.masks_\d|heads)\.1\.", name) for name in others)
    assert any(".masks_1.1." in name for name in others)
    assert {name.split(".")[1] for name in taught} >= {"shared", "masks_0", "masks_1", "refine_0"}


def test_later_masks_see_what_earlier_ones_let_through() -> None:
    network = build_mtan(_architecture(*DENSE)).eval()
    images = torch.randn(1, 3, 12, 16)
    with torch.no_grad():
        before = network(images)
        first = network.encoder.get_submodule("masks_0.0")
        nn.init.constant_(first[4].bias, 3.0)  # type: ignore[index]
        after = network(images)
    assert not torch.equal(before["near"], after["near"])
    assert torch.equal(before["far"], after["far"])


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([1, 2, 4]),
    st.booleans(),
)
def test_pooling_follows_strided_layers(size: tuple[int, int], stride: int, padded: bool) -> None:
    """Any map that a convolution of this stride gives, with padding (ceil) or without (floor)."""
    wanted = torch.Size(-(-side // stride) if padded else side // stride for side in size)
    assume(min(wanted) > 0)
    assert pool_to(torch.Size(size), wanted)(torch.randn(1, 2, *size)).shape[2:] == wanted


def test_pooling_that_cannot_be_is_refused() -> None:
    with pytest.raises(SpaceError, match="no max pooling gives maps of 4x4 from 6x6"):
        pool_to(torch.Size((6, 6)), torch.Size((4, 4)))


def test_odd_sizes_work() -> None:
    network = build_mtan(_architecture(*DENSE, size=(13, 19)))
    assert network(torch.randn(2, 3, 13, 19))["far"].shape == (2, 4, 13, 19)


def test_features_from_within_a_stage_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = trace_network(_HandsOutTheMiddle(), (3, 12, 16), name="test")
    monkeypatch.setattr("gatefront.spaces.families.network.build_encoder", lambda _: traced)
    with pytest.raises(SpaceError, match="hands out inner from within a stage"):
        build_mtan(_architecture(*DENSE))


class _HandsOutTheMiddle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.inner = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, images: Tensor) -> list[Tensor]:
        stem = self.stem(images)
        inner = self.inner(stem)
        return [inner, self.last(inner) + stem]
