"""Reshapes in one spelling, whatever the order of their arguments; a cast is no reshape."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces.graph.canonicalize import is_reshape
from gatefront.spaces.tracing.trace import trace_network


class _Reshaping(nn.Module):
    def __init__(self, code: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.code = nn.Conv2d(3, 4, 1), code

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.code(self.conv(images))]


@pytest.mark.parametrize(
    "code",
    [
        lambda x: torch.reshape(shape=(x.shape[0], 4, -1), input=x),
        lambda x: torch.flatten(start_dim=2, input=x),
        lambda x: x.view(size=(x.size(0), 4, 30)),
        lambda x: x.reshape(x.shape[0], 4, 30),
        lambda x: x.view_as(x).unflatten(dim=1, sizes=(2, 2)),
    ],
)
def test_reshape_in_any_spelling_reads_the_value_and_writes_sizes(code: Callable[[Tensor], Tensor]) -> None:
    module = _Reshaping(code)
    traced = trace_network(module, (3, 6, 5), name="module")
    for node in [node for node in traced.graph.nodes if is_reshape(node)]:
        assert node.args[0].meta["is_float"]
        assert node.args[1][0] == -1
    images = torch.randn(3, 3, 6, 5)
    torch.testing.assert_close(traced(images), module(images))


def test_view_as_another_type_is_no_reshape() -> None:
    module = _Reshaping(lambda x: torch.add(x.view(torch.int32), 0).view(dtype=torch.float32))
    traced = trace_network(module, (3, 6, 5), name="module")
    assert not any(is_reshape(node) for node in traced.graph.nodes)
    images = torch.randn(2, 3, 6, 5)
    torch.testing.assert_close(traced(images), module(images))
