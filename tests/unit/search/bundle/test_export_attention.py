"""Attention over any number of axes is exported, and both exports give what the network gives."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from onnxruntime import InferenceSession
from torch import Tensor, nn

from gatefront.search.bundle.export import attend_in_four_axes, export_network
from gatefront.search.bundle.file_names import INPUT_NAME, ONNX_MODEL, TORCH_MODEL
from gatefront.spaces import Architecture, Task, build_gated_network, prune_network


class Attentive(nn.Module):
    """Attention over the pixels of a map, seen as a tensor of ``num_axes`` axes."""

    num_axes = 5
    has_mask = False

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images)
        batch, channels, height, width = x.shape
        shape = {
            3: (batch, channels, height * width),
            4: (batch, 2, channels // 2, height * width),
            5: (batch, 2, 2, channels // 4, height * width),
        }[self.num_axes]
        tokens = x.reshape(shape).transpose(-1, -2)
        mask = x.new_zeros(2, 1, height * width, height * width) if self.has_mask else None
        found = F.scaled_dot_product_attention(tokens, tokens, tokens, mask)
        return [self.out(found.transpose(-1, -2).reshape(batch, channels, height, width))]


class ThreeAxes(Attentive):
    num_axes = 3


class FourAxes(Attentive):
    num_axes = 4


class MaskedFiveAxes(Attentive):
    has_mask = True


@pytest.mark.parametrize("backbone", [ThreeAxes, FourAxes, Attentive, MaskedFiveAxes])
def test_exports_of_attention_over_any_number_of_axes_equal_the_network(
    backbone: type[Attentive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mynets_attentive", sys.modules[__name__])
    task = Task(name="label", kind="classification", num_outputs=3)
    architecture = Architecture(
        backbone=f"mynets_attentive:{backbone.__name__}", tasks=(task,), in_channels=3, input_size=(8, 8)
    )
    pruned = prune_network(build_gated_network(architecture).eval())
    images = torch.randn(3, 3, 8, 8)
    export_network(pruned, images, tmp_path)
    program = torch.export.load(tmp_path / TORCH_MODEL).module()
    session = InferenceSession(tmp_path / ONNX_MODEL, providers=["CPUExecutionProvider"])
    for batch in (images, images[:1]):
        (expected,) = pruned(batch)
        torch.testing.assert_close(program(batch)[0], expected)
        (by_onnx,) = session.run(None, {INPUT_NAME: batch.numpy()})
        torch.testing.assert_close(torch.from_numpy(by_onnx), expected, rtol=1e-4, atol=1e-5)


def test_network_without_attention_is_left_as_it_is() -> None:
    task = Task(name="label", kind="classification", num_outputs=3)
    architecture = Architecture(backbone="smallconv", tasks=(task,), in_channels=3, input_size=(16, 16))
    pruned = prune_network(build_gated_network(architecture).eval())
    assert attend_in_four_axes(pruned) is pruned
