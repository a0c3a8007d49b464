"""The ONNX export has widths that ONNX Runtime is fast with; model.pt2 has the network's own."""

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import fx, nn

from gatefront.search.bundle.export import export_network, export_onnx
from gatefront.search.bundle.file_names import INPUT_NAME, ONNX_MODEL, TORCH_MODEL
from gatefront.spaces import PlainNetwork

SAMPLES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(name="network")
def _network() -> PlainNetwork:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, groups=6), nn.ReLU(), nn.Conv2d(6, 2, 1))
    return PlainNetwork(fx.symbolic_trace(_Tuple(layers)), ("depth",))


class _Tuple(nn.Module):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.layers(images),)


def test_only_the_onnx_export_is_filled_up(network: PlainNetwork, tmp_path: Path) -> None:
    outputs = export_network(network, SAMPLES, tmp_path).outputs
    program = torch.export.load(tmp_path / TORCH_MODEL)
    assert _depthwise_width(tmp_path / ONNX_MODEL) == 8
    assert sum(parameter.numel() for parameter in program.parameters()) == sum(p.numel() for p in network.parameters())
    session = onnxruntime.InferenceSession(tmp_path / ONNX_MODEL, providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {INPUT_NAME: SAMPLES.numpy()})
    torch.testing.assert_close(torch.from_numpy(answer), outputs[0])


def test_what_a_worker_measures_is_the_same_file(network: PlainNetwork, tmp_path: Path) -> None:
    export_onnx(network, SAMPLES, tmp_path / "alone.onnx")
    assert _depthwise_width(tmp_path / "alone.onnx") == 8


def _depthwise_width(path: Path) -> int:
    widths = [
        attribute.i
        for node in onnx.load(path).graph.node
        for attribute in node.attribute
        if node.op_type == "Conv" and attribute.name == "group" and attribute.i > 1
    ]
    assert len(widths) == 1
    return int(widths[0])
