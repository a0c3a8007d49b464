"""Notes of a trace: shapes, types and costs of nodes, whatever the trace knew before the graph was rewritten."""

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.graph.flop_counter import count_flops, flop_counter
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.tracing.trace import trace_network

pytestmark = pytest.mark.usefixtures("_not_compared")


class TableOfItsSize(nn.Module):
    """Replaces a table when images of another size come, as ConViT does, and computes with it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 1), nn.Linear(2, 4)
        self.register_buffer("table", torch.zeros(1, 1, 2))

    def forward(self, images: Tensor) -> Tensor:
        if self.table.shape[1] != images.shape[-1]:
            self.table = torch.ones(1, images.shape[-1], 2)
        position = self.linear(self.table.expand(images.shape[0], -1, -1)).permute(0, 2, 1)
        return self.conv(images) + position.unsqueeze(2)  # type: ignore[no-any-return]


def test_a_table_that_the_module_replaces_has_its_last_size_in_all_notes() -> None:
    traced = trace_network(TableOfItsSize(), (3, 8, 6), name="net")
    shapes = {node.target if node.op != "placeholder" else "": node.meta["shape"] for node in traced.graph.nodes}
    flops = {node.target: node.meta["flops"] for node in traced.graph.nodes if node.op == "call_module"}
    assert shapes["table"] == (1, 6, 2)
    assert flops == {"conv": 2 * 3 * 4 * 8 * 6, "linear": 2 * 2 * 4 * 6}
    assert sum(flops.values()) == count_flops(traced, (3, 8, 6))


class RunOfOneImage(fx.Interpreter):
    """Real run that finds the same shapes and costs as the notes."""

    def run_node(self, n: fx.Node) -> Any:
        with flop_counter() as counter, torch.no_grad():
            value = super().run_node(n)
        if isinstance(value, Tensor):
            assert value.shape == n.meta["shape"], n
            assert value.is_floating_point() == n.meta["is_float"], n
        assert counter.get_total_flops() == n.meta["flops"], n
        return value


@pytest.mark.parametrize("backbone", ["test_vit", "mobilenetv3_small_050", "test_convnext", "convit_tiny"])
def test_notes_are_those_of_a_run_of_the_finished_graph(backbone: str) -> None:
    depth = Task(name="depth", kind="depth", num_outputs=1)
    encoder = build_encoder(Architecture(backbone=backbone, tasks=(depth,), in_channels=3, input_size=(64, 64)))
    RunOfOneImage(encoder.eval()).run(torch.zeros(1, 3, 64, 64))
