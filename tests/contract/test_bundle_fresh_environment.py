"""The exports predict where gatefront is not: beside torch alone, and beside onnxruntime and numpy alone."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gatefront.search.bundle.export import export_network
from gatefront.search.bundle.file_names import ONNX_MODEL, TORCH_MODEL
from gatefront.spaces import Architecture, PlainNetwork, Task, build_gated_network, prune_network

# Installing torch into a new environment takes minutes where it comes with its CUDA libraries.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("fresh environment")]

BATCHES = (1, 3, 5)

TORCH_SCRIPT = """
import importlib.util, sys, torch
present = [n for n in ("gatefront", "spaces", "trainer", "search", "onnx", "timm") if importlib.util.find_spec(n)]
assert not present, present
model = torch.export.load(sys.argv[1]).module()
with torch.no_grad():
    torch.save([list(model(images)) for images in torch.load("images.pt", weights_only=True)], "outputs.pt")
"""

ONNX_SCRIPT = """
import importlib.util, sys
import numpy, onnxruntime
present = [n for n in ("gatefront", "spaces", "trainer", "search", "torch", "onnx") if importlib.util.find_spec(n)]
assert not present, present
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
images = numpy.load("images.npz")
outputs = {}
for batch in images:
    for task, output in enumerate(session.run(None, {"images": images[batch]})):
        outputs[f"{batch}/{task}"] = output
numpy.savez("outputs.npz", **outputs)
"""


@pytest.fixture(scope="module")
def network() -> PlainNetwork:
    tasks = (
        Task(name="semseg", kind="segmentation", num_outputs=5),
        Task(name="depth", kind="depth", num_outputs=1),
        Task(name="scene", kind="classification", num_outputs=4),
    )
    torch.manual_seed(0)
    gated = build_gated_network(Architecture(backbone="smallconv", tasks=tasks, in_channels=3, input_size=(16, 24)))
    gated.set_gate_pattern(tuple(torch.rand(own.shape) < 0.4 for own in gated.gate_pattern()))
    return prune_network(gated.eval())


@pytest.fixture(scope="module")
def exported(network: PlainNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_network(network, torch.randn(4, 3, 16, 24), folder)
    return folder


@pytest.fixture
def run_alone(tmp_path: Path) -> Iterator[Callable[[Sequence[str], str, Path], None]]:
    """Runs a script in a new environment that holds the packages named and nothing of ours."""

    environment = tmp_path / "environment"

    def run(packages: Sequence[str], script: str, model: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        python = environment / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (tmp_path / "script.py").write_text(script)
        subprocess.run([python, "-I", "script.py", model], cwd=tmp_path, check=True)

    yield run
    shutil.rmtree(environment, ignore_errors=True)  # up to gigabytes, which pytest would keep for three runs


def _images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, 3, 16, 24, generator=generator) for batch in BATCHES]


def _assert_agree(found: Sequence[Sequence[Tensor]], network: PlainNetwork) -> None:
    assert len(found) == len(BATCHES)
    for outputs, images in zip(found, _images(), strict=True):
        with torch.no_grad():
            expected = network(images)
        for output, wanted in zip(outputs, expected, strict=True):
            torch.testing.assert_close(output, wanted, rtol=1e-4, atol=1e-4)


def test_model_pt2_needs_torch_alone(
    network: PlainNetwork, exported: Path, tmp_path: Path, run_alone: Callable[[Sequence[str], str, Path], None]
) -> None:
    torch.save(_images(), tmp_path / "images.pt")
    run_alone(["torch==2.13.0"], TORCH_SCRIPT, exported / TORCH_MODEL)
    _assert_agree(torch.load(tmp_path / "outputs.pt", weights_only=True), network)


def test_model_onnx_needs_onnxruntime_and_numpy_alone(
    network: PlainNetwork, exported: Path, tmp_path: Path, run_alone: Callable[[Sequence[str], str, Path], None]
) -> None:
    np.savez(tmp_path / "images.npz", *(images.numpy() for images in _images()))
    run_alone(["onnxruntime", "numpy"], ONNX_SCRIPT, exported / ONNX_MODEL)
    outputs = np.load(tmp_path / "outputs.npz")
    tasks = range(len(network.task_names))
    found = [[torch.from_numpy(outputs[f"arr_{batch}/{task}"]) for task in tasks] for batch in range(len(BATCHES))]
    _assert_agree(found, network)
