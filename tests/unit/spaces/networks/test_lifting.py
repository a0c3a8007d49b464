"""Tracing, opaque operations, refusals, widths and records."""

import logging

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from gatefront.spaces import Architecture, GateMap, SpaceError, Task, UnknownBackboneError, UntraceableBackboneError
from gatefront.spaces.graph.channel_rules import ChannelRule
from gatefront.spaces.graph.opaque import list_opaque_operations
from gatefront.spaces.graph.width_scaling import scale_width
from gatefront.spaces.json_codec import from_json, to_json
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.networks.interrogate import InterroGateNetwork, build_gated_network
from gatefront.spaces.networks.lifting import find_sites
from gatefront.spaces.tracing.trace import trace_network

TASK = Task(name="a", kind="classification", num_outputs=3)
DENSE_TASK = Task(name="depth", kind="depth", num_outputs=1)


def _architecture(backbone: str, **changes: object) -> Architecture:
    fields: dict[str, object] = {"tasks": (TASK,), "in_channels": 3, "input_size": (32, 32)}
    return Architecture(backbone=backbone, **(fields | changes))  # type: ignore[arg-type]


class _Shuffled(nn.Module):
    """A convolution whose channels are then permuted by an operation no table knows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.second(torch.roll(self.first(images), 1, dims=1))]


class _Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.first(images)] if images.sum() > 0 else [images]


class _Complaining(nn.Module):
    """Holds a layer that resists tracing; the layer stays whole."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.choosy = nn.Conv2d(3, 4, 3), _Choosy()

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.choosy(self.first(images))]


class _Choosy(nn.Module):
    """Takes nothing but tensors, by their exact type."""

    def forward(self, feature: Tensor) -> Tensor:
        if type(feature) not in (Tensor, FakeTensor):
            raise RuntimeError(f"a {type(feature).__name__} is no tensor")
        return feature * 2


def test_unknown_operation_is_opaque_and_named() -> None:
    traced = trace_network(_Shuffled(), (3, 8, 8), name="backbone 'shuffled'")
    rules = {node.name: node.meta["rule"] for node in traced.graph.nodes}
    assert rules["roll"] is ChannelRule.OPAQUE
    assert [(one.name, one.kind) for one in list_opaque_operations(traced)] == [("roll", "roll")]
    assert [site.node.name for site in find_sites(traced).sites] == ["first", "second"]


def test_gate_sits_before_a_value_is_spread_over_a_map() -> None:
    """An excitation is chosen while it is one number per channel, not after it has scaled the whole feature."""

    class Excitation(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.expand, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, images: Tensor) -> list[Tensor]:
            feature = self.first(images)
            return [self.last(feature * self.expand(feature.mean((2, 3), keepdim=True)).sigmoid())]

    sites = find_sites(trace_network(Excitation(), (3, 8, 8), name="excitation")).sites
    assert [site.node.meta["shape"][1:] for site in sites] == [(4, 6, 6), (4, 1, 1), (2, 6, 6)]


def test_layer_that_resists_tracing_is_kept_whole(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="gatefront.spaces"):
        traced = trace_network(_Complaining(), (3, 8, 8), name="backbone 'complaining'")
    assert [n.target for n in traced.graph.nodes if n.op == "call_module"] == ["first", "choosy"]
    assert caplog.text.count("backbone 'complaining': choosy is kept whole: _Choosy: a ConcreteProxy is no tensor") == 1
    assert [(one.name, one.kind) for one in list_opaque_operations(traced)] == [("choosy", "_Choosy")]


def test_untraceable_backbone_is_refused_with_the_reason() -> None:
    with pytest.raises(UntraceableBackboneError, match=r"'branching' cannot be traced by torch\.fx: .*control flow"):
        trace_network(_Branching(), (3, 8, 8), name="backbone 'branching'")


def test_in_place_operations_do_not_reach_other_branches() -> None:
    network = build_gated_network(_architecture("resnet18", stem="small", width=0.125, tasks=(TASK, DENSE_TASK)))
    assert not any(getattr(module, "inplace", False) for module in network.modules())
    for branch in network.branches():
        assert all("iadd" not in str(node.target) for node in branch.graph.nodes)


def test_backbone_that_does_not_exist_names_its_neighbours() -> None:
    with pytest.raises(UnknownBackboneError, match=r"'resnet81'.*resnet18") as caught:
        build_encoder(_architecture("resnet81"))
    assert "neither a backbone of gatefront nor of timm" in caught.value.message


def test_small_stem_is_refused_where_there_is_none_to_replace() -> None:
    with pytest.raises(SpaceError, match="stem is not one convolution"):
        build_encoder(_architecture("resnet18d", stem="small"))


@pytest.mark.parametrize(
    ("width", "expected"), [(0.25, [16, 32, 64, 128]), (0.01, [1, 1, 3, 5]), (1.5, [96, 192, 384, 768])]
)
def test_width_scales_every_stage(width: float, expected: list[int]) -> None:
    encoder = build_encoder(_architecture("resnet18", width=width, tasks=(DENSE_TASK,)))
    features = encoder.eval()(torch.zeros(1, 3, 32, 32))
    assert [feature.shape[1] for feature in features] == expected


def test_width_keeps_the_largest_trained_channels() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.second = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)

        def forward(self, images: Tensor) -> list[Tensor]:
            return [self.second(self.norm(self.first(images)))]

    network = Two()
    with torch.no_grad():
        network.first.weight.copy_(torch.tensor([1.0, 5.0, 2.0, 4.0]).view(4, 1, 1, 1).expand(4, 3, 1, 1))
        network.norm.running_mean.copy_(torch.arange(4.0))
        columns = network.second.weight.clone()
    traced = trace_network(network, (3, 4, 4), name="two")
    scale_width(traced, 0.5, keep_largest=True)
    assert traced.first.weight[:, 0, 0, 0].tolist() == [5.0, 4.0]  # type: ignore[union-attr,index]
    assert traced.norm.running_mean.tolist() == [1.0, 3.0]  # type: ignore[union-attr,operator]
    assert traced.second.weight.shape == (1, 2, 1, 1)
    largest = int(columns.flatten(1).norm(dim=1).argmax())
    assert torch.equal(traced.second.weight.flatten(), columns[largest, [1, 3]].flatten())  # type: ignore[operator]


def test_frozen_gates_do_not_learn_and_the_mix_does() -> None:
    network = build_gated_network(_architecture("smallconv", tasks=(TASK, DENSE_TASK), input_size=(8, 8)))
    generator = torch.Generator().manual_seed(5)
    network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < 0.5 for p in network.gate_pattern()))
    network.freeze_gates()
    prediction = network(torch.randn(2, 3, 8, 8))
    sum(value.sum() for value in prediction.values()).backward()  # type: ignore[union-attr]
    *inner, last = network.channel_gates()
    assert all(gate.alpha.grad is None for gate in (*inner, last))
    assert all(gate.beta.grad is not None for gate in inner)
    assert last.beta.grad is None  # nothing reads the mix behind the last gate


def test_gate_map_holds_the_pattern_and_survives_json() -> None:
    network: InterroGateNetwork = build_gated_network(_architecture("smallconv", tasks=(TASK, DENSE_TASK)))
    generator = torch.Generator().manual_seed(5)
    network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < 0.5 for p in network.gate_pattern()))
    gate_map = network.gate_map()
    assert from_json(GateMap, to_json(gate_map)) == gate_map
    for site, own in zip(gate_map.sites, network.gate_pattern(), strict=True):
        assert [[c == "1" for c in row] for row in site.own] == own.tolist()
        assert site.own_fraction(0) == pytest.approx(float(own[0].float().mean()))


def test_architecture_survives_json() -> None:
    architecture = _architecture("resnet18", width=0.5, decoder_width=7, tasks=(TASK, DENSE_TASK))
    assert from_json(Architecture, to_json(architecture)) == architecture


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "", "kind": "depth", "num_outputs": 1}, "Cannot call a task ''"),
        ({"name": "a", "kind": "sound", "num_outputs": 1}, "'sound' is unknown"),
        ({"name": "a", "kind": "normals", "num_outputs": 1}, "num_outputs = 1 does not fit a normals task"),
        ({"name": "a", "kind": "depth", "num_outputs": 1, "weight": 0.0}, "weight must be above 0, found 0.0"),
    ],
)
def test_task_that_breaks_a_rule_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Task(**fields)  # type: ignore[arg-type]


def test_architecture_needs_distinct_tasks() -> None:
    with pytest.raises(SpaceError, match="names must differ"):
        _architecture("smallconv", tasks=(TASK, TASK))
