"""What every backbone must keep when it is lifted, gated and pruned."""

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

from gatefront.search.bundle.export import export_network
from gatefront.search.bundle.file_names import INPUT_NAME, ONNX_MODEL, TORCH_MODEL
from gatefront.spaces import (
    Architecture,
    GateLayout,
    InterroGateNetwork,
    PlainNetwork,
    Task,
    build_gated_network,
    build_shared_network,
    close_gates_to_budget,
    compact_network,
    count_flops,
    prune_network,
)
from gatefront.spaces.graph.layers import LayerNorm2d

pytestmark = pytest.mark.usefixtures("_traced_once")

CLASSIFICATION = (
    Task(name="left", kind="classification", num_outputs=10),
    Task(name="right", kind="classification", num_outputs=7),
    Task(name="orientation", kind="classification", num_outputs=4),
)
DENSE = (
    Task(name="semseg", kind="segmentation", num_outputs=5),
    Task(name="normals", kind="normals", num_outputs=3),
    Task(name="scene", kind="classification", num_outputs=3),
)


def _architecture(
    backbone: str, tasks: tuple[Task, ...], size: tuple[int, int], *, width: float = 1.0, small_stem: bool = False
) -> Architecture:
    return Architecture(
        backbone=backbone,
        stem="small" if small_stem else "default",
        width=width,
        tasks=tasks,
        in_channels=3,
        input_size=size,
        decoder_width=8,
    )


CASES = {
    "smallconv": _architecture("smallconv", CLASSIFICATION, (12, 14)),
    "smallconv-dense": _architecture("smallconv", DENSE, (16, 20), width=2.0),
    "resnet18-small-stem": _architecture("resnet18", DENSE, (16, 24), width=0.125, small_stem=True),
    "resnet18": _architecture("resnet18", CLASSIFICATION, (64, 64), width=0.25),
    "resnet50": _architecture("resnet50", DENSE, (64, 64), width=0.0625),
    "mobilenetv3": _architecture("mobilenetv3_small_100", DENSE, (64, 96), width=0.5),
    "mobilenetv3-small-stem": _architecture(
        "mobilenetv3_large_100", CLASSIFICATION, (32, 32), width=0.25, small_stem=True
    ),
    "efficientnet": _architecture("efficientnet_b0", CLASSIFICATION, (64, 64), width=0.25),
    "regnet-grouped-convolutions": _architecture("regnetx_002", CLASSIFICATION, (32, 32)),
    "vovnet-concatenations": _architecture("ese_vovnet19b_slim_dw", CLASSIFICATION, (32, 32)),
    "resnet20": _architecture("resnet20", DENSE, (16, 20), width=0.25),
    "vit": _architecture("test_vit2", DENSE, (32, 48)),
    "convnext": _architecture("test_convnext2", CLASSIFICATION, (32, 64)),
    "pvt": _architecture("pvt_v2_b0", CLASSIFICATION, (64, 64), width=0.5),
}

EXPORTED = {
    name: CASES[name]
    for name in (
        *("smallconv-dense", "resnet18-small-stem", "mobilenetv3", "regnet-grouped-convolutions"),
        *("vovnet-concatenations", "convnext", "pvt"),
    )
} | {
    "efficientnet": _architecture("test_efficientnet", CLASSIFICATION, (32, 32), width=0.5),
    "vit": _architecture("test_vit", DENSE, (32, 48)),
}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in CASES])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return CASES[request.param]


def _randomise(network: nn.Module, generator: torch.Generator) -> None:
    """Weights as built, but every norm statistic, affine parameter and layer scale off its default."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | LayerNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.3, generator=generator)
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.uniform_(parameter, 0.5, 1.5, generator=generator)


def _set_gates(network: InterroGateNetwork, own: float, generator: torch.Generator) -> None:
    """Every gate open with probability ``own``, and a mix that is not uniform."""
    network.set_gate_pattern(
        tuple(torch.rand(p.shape, generator=generator) < own for p in network.gate_pattern()),
    )
    for gate in network.channel_gates():
        nn.init.normal_(gate.beta, generator=generator)


def _images(architecture: Architecture, generator: torch.Generator) -> Tensor:
    return torch.randn(2, architecture.in_channels, *architecture.input_size, generator=generator)


def _relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-3))


def _input_shape(architecture: Architecture) -> tuple[int, int, int]:
    return (architecture.in_channels, *architecture.input_size)


@torch.no_grad()
def test_all_gates_shut_is_hard_sharing(architecture: Architecture) -> None:
    generator = torch.Generator().manual_seed(1)
    shared = build_shared_network(architecture).eval()
    _randomise(shared, generator)
    gated = build_gated_network(architecture).eval()
    gated.load_references({name: shared.state_dict() for name in architecture.task_names}, shared.state_dict())
    for encoder in gated.task_encoders.values():
        _randomise(encoder, generator)  # what the private branches hold must not matter
    gated.set_gate_pattern(tuple(torch.zeros_like(p) for p in gated.gate_pattern()))
    images = _images(architecture, generator)
    found, expected = gated(images), shared(images)
    for name in architecture.task_names:
        assert _relative_error(found[name], expected[name]) < 1e-5
    assert gated.flops() == gated.cost.hard_sharing == count_flops(shared, _input_shape(architecture))


@torch.no_grad()
def test_all_gates_open_is_the_single_task_networks(architecture: Architecture) -> None:
    generator = torch.Generator().manual_seed(2)
    singles = {name: build_shared_network(architecture, [name]).eval() for name in architecture.task_names}
    for single in singles.values():
        _randomise(single, generator)
    gated = build_gated_network(architecture).eval()
    gated.load_references({name: single.state_dict() for name, single in singles.items()}, None)
    _randomise(gated.shared_encoder, generator)
    gated.set_gate_pattern(tuple(torch.ones_like(p) for p in gated.gate_pattern()))
    images = _images(architecture, generator)
    found = gated(images)
    for name, single in singles.items():
        assert _relative_error(found[name], single(images)[name]) < 1e-5
    expected = sum(count_flops(single, _input_shape(architecture)) for single in singles.values())
    assert gated.flops() == gated.cost.single_task == expected


@pytest.mark.parametrize("own", [0.0, 0.3, 0.9, 1.0])
@torch.no_grad()
def test_pruned_equals_gated_and_costs_what_the_gates_say(architecture: Architecture, own: float) -> None:
    generator = torch.Generator().manual_seed(int(own * 10))
    gated = build_gated_network(architecture).eval()
    _randomise(gated, generator)
    _set_gates(gated, own, generator)
    pruned = prune_network(gated)
    images = _images(architecture, generator)
    expected = gated(images)
    for name, found in zip(pruned.task_names, pruned(images), strict=True):
        assert _relative_error(found, expected[name]) < 1e-5
    assert gated.flops() == count_flops(pruned, _input_shape(architecture))
    assert not any(isinstance(module, nn.Dropout) for module in pruned.modules())


@torch.no_grad()
def test_pruned_network_survives_json(architecture: Architecture) -> None:
    generator = torch.Generator().manual_seed(3)
    gated = build_gated_network(architecture).eval()
    _randomise(gated, generator)
    _set_gates(gated, 0.4, generator)
    pruned = prune_network(gated)
    rebuilt = PlainNetwork.from_json(pruned.architecture_json(), pruned.tensors())
    images = _images(architecture, generator)
    for found, expected in zip(rebuilt(images), pruned(images), strict=True):
        assert torch.equal(found, expected)


@torch.no_grad()
def test_budget_cut_is_at_or_under_and_wastes_little(architecture: Architecture) -> None:
    generator = torch.Generator().manual_seed(4)
    gated = build_gated_network(architecture).eval()
    _set_gates(gated, 0.8, generator)
    for gate in gated.channel_gates():
        gate.alpha.mul_(torch.rand(gate.alpha.shape, generator=generator))
    cost = gated.cost
    dearest = max(site.channel_flops for site in cost.sites) + sum(whole.flops for whole in cost.whole_costs)
    for share in (0.0, 0.2, 0.6):
        budget = int(cost.floor + share * (gated.flops() - cost.floor))
        cut = close_gates_to_budget(gated, budget)
        assert cost.flops(cut) <= budget
        assert all((after <= before).all() for after, before in zip(cut, gated.gate_pattern(), strict=True))
        if share > 0:
            assert cost.flops(cut) > budget - dearest


@pytest.mark.parametrize("own", [0.0, 0.05, 1.0])
@torch.no_grad()
def test_frozen_gates_skip_what_nobody_reads(architecture: Architecture, own: float) -> None:
    generator = torch.Generator().manual_seed(6)
    gated = build_gated_network(architecture).eval()
    _randomise(gated, generator)
    _set_gates(gated, own, generator)
    images = _images(architecture, generator)
    expected, everything = gated(images), count_flops(gated, _input_shape(architecture))
    assert everything == (len(architecture.tasks) + 1) * gated.cost.encoder + sum(gated.cost.heads.values())
    gated.freeze_gates()
    found = gated(images)
    for name in architecture.task_names:
        assert _relative_error(found[name], expected[name]) < 1e-5
    run = count_flops(gated, _input_shape(architecture))
    assert gated.flops() <= run <= everything
    if own in (0.0, 1.0):
        assert run == gated.flops()


@torch.no_grad()
def test_a_copy_is_a_network_of_its_own(architecture: Architecture) -> None:
    generator = torch.Generator().manual_seed(7)
    gated = build_gated_network(architecture).eval()
    _randomise(gated, generator)
    _set_gates(gated, 0.4, generator)
    gated.freeze_gates()
    images = _images(architecture, generator)
    expected, flops = gated(images), gated.flops()
    copied = copy.deepcopy(gated)
    assert count_flops(prune_network(copied), _input_shape(architecture)) == copied.flops() == flops
    for name, found in copied(images).items():
        assert torch.equal(found, expected[name])
    copied.set_gate_pattern(tuple(torch.zeros_like(p) for p in copied.gate_pattern()))
    pruned = prune_network(copied)
    assert count_flops(pruned, _input_shape(architecture)) == copied.flops() == copied.cost.hard_sharing
    shut = copied(images)
    for name, found in zip(pruned.task_names, pruned(images), strict=True):
        assert _relative_error(found, shut[name]) < 1e-5
    for name, found in gated(images).items():
        assert torch.equal(found, expected[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(EXPORTED))
@torch.no_grad()
def test_exports_agree_for_any_batch(name: str, tmp_path: Path) -> None:
    """One network per family, with two tasks and gates per block: exporting takes seconds per hundred operations."""
    architecture = dataclasses.replace(EXPORTED[name], tasks=EXPORTED[name].tasks[:2])
    generator = torch.Generator().manual_seed(8)
    gated = build_gated_network(architecture, GateLayout(granularity="block")).eval()
    _randomise(gated, generator)
    _set_gates(gated, 0.3, generator)
    pruned = prune_network(gated)
    assert export_network(pruned, _images(architecture, generator), tmp_path).no_plan_because is None
    program = torch.export.load(tmp_path / TORCH_MODEL).module()
    session = InferenceSession(tmp_path / ONNX_MODEL, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        images = torch.randn(batch, *_input_shape(architecture), generator=generator)
        by_torch, by_onnx = program(images), session.run(None, {INPUT_NAME: images.numpy()})
        for expected, one, other in zip(pruned(images), by_torch, by_onnx, strict=True):
            assert _relative_error(one, expected) < 1e-5
            assert _relative_error(torch.from_numpy(other), expected) < 1e-4


@pytest.mark.parametrize("own", [0.0, 0.3, 1.0])
def test_compact_network_trains_as_the_gated_one_and_writes_back(architecture: Architecture, own: float) -> None:
    generator = torch.Generator().manual_seed(7)
    gated = build_gated_network(architecture)
    with torch.no_grad():
        _randomise(gated, generator)
        _set_gates(gated, own, generator)
    gated.freeze_gates()
    # Norms of a few values in training mode magnify rounding, which is not what is tested here.
    gated.double()
    compact = compact_network(gated)
    assert compact is not None
    shape = (4, architecture.in_channels, *architecture.input_size)
    images = torch.randn(shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        expected, found = gated.train()(images), compact.train()(images)
        for name in architecture.task_names:
            assert _relative_error(found[name], expected[name]) < 1e-6
    _train_two_steps(compact, images)
    trained = copy.deepcopy(compact).eval()
    compact.write_back()
    gated.eval()
    with torch.no_grad():
        expected, found = gated(images), trained(images)
        for name in architecture.task_names:
            assert _relative_error(found[name], expected[name]) < 1e-6
    assert count_flops(trained.float(), _input_shape(architecture)) == gated.flops()


def _train_two_steps(network: nn.Module, images: Tensor) -> None:
    """Enough that every parameter and every norm statistic has moved."""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        torch.stack([prediction.square().mean() for prediction in network(images).values()]).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
