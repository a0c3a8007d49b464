"""One module per task: found by name, registered by position."""

import copy

import pytest
import torch
from torch import nn

from gatefront.spaces import Architecture, Task, build_gated_network, build_shared_network
from gatefront.spaces.families import FAMILIES, build_family
from gatefront.spaces.networks.task_modules import TaskModules, with_positions

NAMES = ("type", "a.b", "0")


def _modules() -> TaskModules:
    return TaskModules(NAMES, {name: nn.Linear(1, 1) for name in NAMES})


def _architecture() -> Architecture:
    tasks = tuple(Task(name=name, kind="segmentation", num_outputs=2) for name in ("semseg", "tasks", "heads"))
    return Architecture(backbone="smallconv", tasks=tasks, in_channels=3, input_size=(12, 16), decoder_width=4)


def _as_earlier(key: str) -> str:
    """A key of a state dict as earlier versions wrote it, with the task's name for its position."""
    parts = key.split(".")
    for place, part in enumerate(parts[:-1]):
        is_per_task = part in ("heads", "tasks", "task_encoders") or part.startswith("masks_")
        if is_per_task and place < 2 and parts[place + 1].isdigit():
            parts[place + 1] = _architecture().task_names[int(parts[place + 1])]
            break
    return ".".join(parts)


def test_task_modules_finds_a_module_by_any_name() -> None:
    modules = _modules()
    assert list(modules) == list(modules.keys()) == list(NAMES)
    assert [modules[name] for name in NAMES] == list(modules.values()) == list(modules.children())
    assert "a.b" in modules
    assert "a" not in modules


def test_task_modules_calls_parameters_by_the_tasks_positions() -> None:
    some = TaskModules(NAMES, {"0": nn.Linear(1, 1, bias=False), "a.b": nn.Linear(1, 1, bias=False)})
    assert sorted(name for name, _ in some.named_parameters()) == ["1.weight", "2.weight"]
    assert list(some) == ["a.b", "0"]


def test_task_modules_of_a_copy_are_its_own() -> None:
    modules = _modules()
    copied = copy.deepcopy(modules)
    copied["type"].weight.data.fill_(3.0)  # type: ignore[union-attr,operator]
    modules.load_state_dict(copied.state_dict())
    assert modules["type"].weight.item() == 3.0  # type: ignore[operator,union-attr]
    assert modules["type"] is not copied["type"]


def test_positions_replace_names_of_earlier_versions_alone() -> None:
    state = {"heads.far.w": 0, "heads.0.w": 1, "heads.near": 2, "encoder.far.w": 3, "heads.sky.far.w": 4}
    found = with_positions(state, "heads.", ("near", "far"))  # type: ignore[arg-type]
    assert found == {"heads.1.w": 0, "heads.0.w": 1, "heads.near": 2, "encoder.far.w": 3, "heads.sky.far.w": 4}


def test_positions_are_no_names_of_tasks_that_are_called_by_numbers() -> None:
    state = {"heads.0.w": torch.zeros(1), "heads.1.w": torch.ones(1)}
    assert list(with_positions(state, "heads.", ("1", "0"))) == ["heads.0.w", "heads.1.w"]


@pytest.mark.parametrize("family", ["interrogate", "shared", *FAMILIES])
@torch.no_grad()
def test_state_of_an_earlier_version_is_loaded(family: str) -> None:
    def build() -> nn.Module:
        if family == "interrogate":
            return build_gated_network(_architecture())
        return build_shared_network(_architecture()) if family == "shared" else build_family(family, _architecture())

    written, opened = build().eval(), build().eval()
    for parameter in written.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    earlier = {_as_earlier(key): value for key, value in written.state_dict().items()}
    assert any(key.startswith("heads.semseg.") for key in earlier)
    opened.load_state_dict(earlier)
    images = torch.randn(2, 3, 12, 16)
    expected = written(images)
    assert all(torch.equal(found, expected[name]) for name, found in opened(images).items())


@torch.no_grad()
def test_references_of_an_earlier_version_are_taken() -> None:
    architecture = _architecture()
    single = {name: build_shared_network(architecture, [name]).eval() for name in architecture.task_names}
    states = {
        name: {_as_earlier(key): value for key, value in network.state_dict().items()}
        for name, network in single.items()
    }
    assert all(any(key.startswith(f"heads.{name}.") for key in state) for name, state in states.items())
    images = torch.randn(2, 3, 12, 16)
    gated = build_gated_network(architecture).eval()
    gated.load_references(states, None)
    together = build_family("single-task", architecture).eval()
    together.load_references(states, None)
    for found in (gated(images), together(images)):
        for name, network in single.items():
            torch.testing.assert_close(found[name], network(images)[name])
