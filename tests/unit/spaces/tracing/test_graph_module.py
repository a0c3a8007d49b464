"""Names of layers that are words of Python's own, or no identifiers at all."""

import keyword

import torch
from torch import Tensor, nn

from gatefront.spaces.tracing.graph_module import build_graph_module
from gatefront.spaces.tracing.trace import trace_network


class _Named(nn.Module):
    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: nn.Conv2d(3, 3, 1) for name in names})
        self.gains = nn.ParameterDict({name: nn.Parameter(torch.randn(3, 1, 1)) for name in names})

    def forward(self, images: Tensor) -> list[Tensor]:
        for layer, gain in zip(self.parts.values(), self.gains.values(), strict=True):
            images = layer(images) * gain
        return [images]


def test_trace_network_takes_layers_and_parameters_of_any_name() -> None:
    names = [*(word for word in keyword.kwlist if word != "in"), "in", "in_", "größe", "a b", "0"]
    module = _Named(names)
    traced = trace_network(module, (3, 4, 4), name="module")
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(traced(images), module(images))
    assert len(list(traced.parameters())) == len(list(module.parameters()))


def test_build_graph_module_without_such_names_changes_none() -> None:
    module = _Named(["first", "second"])
    graph = torch.fx.Tracer().trace(module)
    targets = [node.target for node in graph.nodes]
    traced = build_graph_module(module, graph)
    assert [node.target for node in traced.graph.nodes] == targets
