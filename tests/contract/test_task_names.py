"""Task names are user data: whatever a task is called, its networks, files and exports are those of any other name."""

import json
import keyword
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, fx, nn

from gatefront.search.bundle.export import TASKS_PROPERTY, export_network
from gatefront.search.bundle.file_names import ARCHITECTURE, ONNX_MODEL, SAMPLE_OUTPUTS, TORCH_MODEL, WEIGHTS
from gatefront.spaces import (
    Architecture,
    InterroGateNetwork,
    PlainNetwork,
    Task,
    build_gated_network,
    build_shared_network,
    compact_network,
    count_flops,
    pad_widths,
    prune_network,
)
from gatefront.spaces.architecture.tasks import safe_names
from gatefront.spaces.families import FAMILIES, build_family, plain_network
from gatefront.trainer.checkpoints.checkpoint import load_network, save_network
from gatefront.trainer.checkpoints.network_file import load_delivered, save_family

pytestmark = pytest.mark.xdist_group("task names")

SHAPE = (3, 12, 16)
ATTRIBUTES = sorted({*dir(nn.ModuleDict), *vars(nn.ModuleDict()), *dir(fx.GraphModule)})
WRITTEN = (
    *keyword.kwlist,
    *("shared", "task0", "task1", "head0", "tasks", "heads", "units", "plain", "masks_0", "constant_0", "0", "1", "-1"),
    *(
        "images",
        "output",
        "task_0",
        "task_1",
        "input",
        "placeholder",
        "root",
        "call_module",
        "conv2d",
        "relu",
        "val_0",
    ),
    *(
        "__metadata__",
        "grid_search",
        "type.name",
        "a.b",
        ".",
        "..",
        "a/b",
        "/etc",
        "a\\b",
        "two words",
        "a,b;c",
        '"',
        "'",
    ),
    *(
        "<b>",
        "{}",
        "{x}",
        "%{y}",
        "$x$",
        "$\\frac$",
        "[red]x[/]",
        "|",
        "`",
        "```",
        "_hidden",
        "*",
        "#1",
        "=1+1",
        "null",
    ),
    *("café", "cafe\u0301", "CAFÉ", "名前", "مهمة", "🙂", "ﬁ", "fi", "ß", "ss", "\u00b2", "n" * 200, "名" * 200),
)
NAMES = tuple(dict.fromkeys((*ATTRIBUTES, *WRITTEN)))
PAIR = ("type", "shared")
WORST = ("shared", "type", "images", "task_0", "conv2d", "relu", "__metadata__", "a.b", "名前", "<b>", "lambda")


def _architecture(names: tuple[str, ...], kind: str = "classification") -> Architecture:
    tasks = tuple(Task(name=name, kind=kind, num_outputs=2) for name in names)  # type: ignore[arg-type]
    return Architecture(
        backbone="smallconv", tasks=tasks, in_channels=SHAPE[0], input_size=SHAPE[1:], stem="small", decoder_width=4
    )


def _plainly_named(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"ordinary{position}" for position in range(len(names)))


def _gated(names: tuple[str, ...]) -> InterroGateNetwork:
    network = build_gated_network(_architecture(names))
    torch.manual_seed(7)
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    for gate in network.channel_gates():
        gate.alpha.data.normal_()
    return network.eval()


def _images(batch: int = 2) -> Tensor:
    return torch.randn(batch, *SHAPE, generator=torch.Generator().manual_seed(0))


def _require_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Both in the order of tasks, whatever they are called."""
    assert len(found) == len(expected)
    for one, other in zip(found.values(), expected.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def gated() -> InterroGateNetwork:
    return _gated(NAMES)


@pytest.fixture(scope="module")
def plain(gated: InterroGateNetwork) -> PlainNetwork:
    return prune_network(gated)


@torch.no_grad()
def test_gated_network_with_awkward_names_predicts_as_with_plain_ones(gated: InterroGateNetwork) -> None:
    twin = build_gated_network(_architecture(_plainly_named(NAMES))).eval()
    twin.load_state_dict(gated.state_dict())
    found = gated(_images())
    assert tuple(found) == NAMES
    _require_same(found, twin(_images()))
    assert gated.flops() == twin.flops()


@torch.no_grad()
def test_pruned_network_with_awkward_names_equals_the_gated_one(gated: InterroGateNetwork, plain: PlainNetwork) -> None:
    assert plain.task_names == NAMES
    assert count_flops(plain, SHAPE) == gated.flops()
    expected = gated(_images())
    for found in (plain, pad_widths(plain, _images()) or plain):
        _require_same(dict(zip(found.task_names, found(_images()), strict=True)), expected)


@torch.no_grad()
def test_plan_of_awkward_names_gives_the_network_back(plain: PlainNetwork) -> None:
    document = json.loads(json.dumps(plain.architecture_json()))
    rebuilt = PlainNetwork.from_json(document, plain.tensors())
    assert rebuilt.task_names == NAMES
    assert all(torch.equal(one, other) for one, other in zip(rebuilt(_images()), plain(_images()), strict=True))


@torch.no_grad()
def test_file_of_a_gated_network_with_awkward_names_gives_it_back(gated: InterroGateNetwork, tmp_path: Path) -> None:
    save_network(gated, tmp_path / "network.pt")
    _require_same(load_network(tmp_path / "network.pt")(_images()), gated(_images()))


def test_compact_network_with_awkward_names_predicts_as_the_gated_one_in_training() -> None:
    network = _gated(PAIR)
    network.freeze_gates()
    compact = compact_network(network)
    assert compact is not None
    _require_same(compact.train()(_images(4)), network.train()(_images(4)))


@pytest.mark.parametrize("family", list(FAMILIES))
@torch.no_grad()
def test_family_with_awkward_names_predicts_as_with_plain_ones(family: str, tmp_path: Path) -> None:
    # MTAN and ETR-NLP write a branch per task and stage, so that hundreds of tasks take long.
    names = (*PAIR, "a.b", "forward", "keys", "0", "training", "<b>", "名前")
    network, twin = (build_family(family, _architecture(tasks)).eval() for tasks in (names, _plainly_named(names)))
    twin.load_state_dict(network.state_dict())
    expected = twin(_images())
    _require_same(network(_images()), expected)
    plain = plain_network(network)
    _require_same(dict(zip(plain.task_names, plain(_images()), strict=True)), expected)
    save_family(family, network, tmp_path / "network.pt")
    _require_same(load_delivered(tmp_path / "network.pt").network(_images()), expected)


@pytest.mark.parametrize("family", ["interrogate", *(name for name, one in FAMILIES.items() if one.starts_from)])
@torch.no_grad()
def test_network_with_awkward_names_starts_from_its_references(family: str) -> None:
    architecture = _architecture(PAIR)
    single = {name: build_shared_network(architecture, [name]).eval() for name in PAIR}
    for network in single.values():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    if family == "interrogate":
        built = build_gated_network(architecture, initial_logit=1.0).eval()
    else:
        built = build_family(family, architecture, {"own_share": 1.0} if family == "cross-stitch" else {}).eval()
    built.load_references({name: network.state_dict() for name, network in single.items()}, None)
    _require_same(built(_images()), {name: network(_images())[name] for name, network in single.items()})


@torch.no_grad()
def test_exports_with_awkward_names_equal_the_network(tmp_path: Path) -> None:
    network = _gated(WORST)
    export_network(prune_network(network), _images(), tmp_path)
    names, expected = safe_names(WORST), network(_images(3))
    onnx.checker.check_model(tmp_path / ONNX_MODEL, full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / ONNX_MODEL, providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map[TASKS_PROPERTY]) == list(WORST)
    found = session.run(list(names), {"images": _images(3).numpy()})
    _require_same(dict(zip(WORST, map(torch.from_numpy, found), strict=True)), expected)
    program = torch.export.load(tmp_path / TORCH_MODEL).module()
    _require_same(dict(zip(WORST, program(_images(3)), strict=True)), expected)
    rebuilt = PlainNetwork.from_json(json.loads((tmp_path / ARCHITECTURE).read_text()), load_file(tmp_path / WEIGHTS))
    _require_same(dict(zip(rebuilt.task_names, rebuilt(_images(3)), strict=True)), expected)
    samples, outputs = load_file(tmp_path / SAMPLE_OUTPUTS), network(_images())
    assert set(samples) == set(names)
    _require_same({task: samples[name] for task, name in zip(WORST, names, strict=True)}, outputs)
