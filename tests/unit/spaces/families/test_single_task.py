"""Families that start from reference networks: single-task, hard sharing, cross-stitch."""

import pytest
import torch
from torch import Tensor

from gatefront.spaces import Architecture, SharedNetwork, SpaceError, Task, build_shared_network
from gatefront.spaces.families import FamilyNetwork, build_cross_stitch, build_hard_sharing, build_single_task
from gatefront.spaces.families.cross_stitch import CrossStitchUnit

DENSE = tuple(Task(name=name, kind="segmentation", num_outputs=4) for name in ("near", "far", "sky"))


@pytest.fixture
def architecture() -> Architecture:
    return Architecture(backbone="smallconv", tasks=DENSE, in_channels=3, input_size=(12, 16), decoder_width=8)


@pytest.fixture
def singles(architecture: Architecture) -> dict[str, SharedNetwork]:
    return {name: build_shared_network(architecture, [name]).eval() for name in architecture.task_names}


def _states(singles: dict[str, SharedNetwork]) -> dict[str, dict[str, Tensor]]:
    return {name: single.state_dict() for name, single in singles.items()}


def _assert_equals_singles(network: FamilyNetwork, singles: dict[str, SharedNetwork]) -> None:
    images = torch.randn(2, 3, 12, 16)
    with torch.no_grad():
        found = network.eval()(images)
        for name, single in singles.items():
            torch.testing.assert_close(found[name], single(images)[name])


def test_single_task_family_is_the_references(architecture: Architecture, singles: dict[str, SharedNetwork]) -> None:
    network = build_single_task(architecture)
    network.load_references(_states(singles), None)
    _assert_equals_singles(network, singles)


def test_hard_sharing_family_is_the_reference(architecture: Architecture) -> None:
    reference = build_shared_network(architecture).eval()
    network = build_hard_sharing(architecture)
    network.load_references({}, reference.state_dict())
    _assert_equals_singles(network, dict.fromkeys(architecture.task_names, reference))


def test_hard_sharing_without_a_reference_keeps_its_own_weights(architecture: Architecture) -> None:
    network = build_hard_sharing(architecture)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_references({}, None)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_cross_stitch_that_mixes_nothing_is_the_references(
    architecture: Architecture, singles: dict[str, SharedNetwork]
) -> None:
    network = build_cross_stitch(architecture, own_share=1.0)
    network.load_references(_states(singles), None)
    _assert_equals_singles(network, singles)


def test_cross_stitch_of_equal_networks_changes_nothing(architecture: Architecture) -> None:
    """Every task begins with a convex mix, and a mix of equal features is that feature."""
    single = build_shared_network(architecture).eval()
    network = build_cross_stitch(architecture)
    network.load_references(dict.fromkeys(architecture.task_names, single.state_dict()), None)
    _assert_equals_singles(network, dict.fromkeys(architecture.task_names, single))


@pytest.mark.parametrize("num_tasks", [1, 2, 5])
def test_units_begin_with_nine_tenths_of_their_own(num_tasks: int) -> None:
    mix = CrossStitchUnit(num_tasks, 3, channel_axis=1, own_share=0.9).mix.detach()
    assert mix.shape == (num_tasks, num_tasks, 3)
    torch.testing.assert_close(mix.sum(dim=1), torch.ones(num_tasks, 3))
    own = mix.diagonal().flatten()
    torch.testing.assert_close(own, torch.full_like(own, 0.9 if num_tasks > 1 else 1.0))


@pytest.mark.parametrize(("axis", "shape"), [(1, (2, 3)), (1, (2, 3, 4, 5)), (2, (2, 7, 3)), (3, (2, 4, 5, 3))])
def test_units_mix_channel_by_channel(axis: int, shape: tuple[int, ...]) -> None:
    unit = CrossStitchUnit(2, 3, channel_axis=axis, own_share=0.9)
    mix = torch.randn(2, 2, 3)
    unit.mix.data.copy_(mix)
    one, other = torch.randn(shape), torch.randn(shape)
    found = unit(one, other)
    for c in range(3):
        a, b = one.select(axis, c), other.select(axis, c)
        for task in range(2):
            expected = mix[task, 0, c] * a + mix[task, 1, c] * b
            torch.testing.assert_close(found[task].select(axis, c), expected)


def test_tasks_teach_each_other_through_the_units(architecture: Architecture) -> None:
    network = build_cross_stitch(architecture)
    network(torch.randn(2, 3, 12, 16))["near"].square().mean().backward()
    others = [parameter.grad for name, parameter in network.named_parameters() if ".tasks.1." in name]
    assert others
    assert any(gradient is not None and bool(gradient.any()) for gradient in others)
    assert len(network.mixing_parameters()) == 2  # one per stage of smallconv


def test_a_missing_reference_is_named(architecture: Architecture, singles: dict[str, SharedNetwork]) -> None:
    states = _states(singles)
    del states["far"]
    with pytest.raises(SpaceError, match="single_task has no network of task 'far', only of near, sky"):
        build_cross_stitch(architecture).load_references(states, None)


@pytest.mark.parametrize("own_share", [-0.1, 1.5])
def test_own_share_is_a_share(architecture: Architecture, own_share: float) -> None:
    with pytest.raises(SpaceError, match="own_share must be between 0 and 1"):
        build_cross_stitch(architecture, own_share=own_share)
