"""Batch sizes: told from other numbers by comparison, whatever these numbers are."""

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import UntraceableBackboneError
from gatefront.spaces.tracing.batch_axis import TRACE_BATCHES, BatchDependenceError, image_shape_of, per_image
from gatefront.spaces.tracing.trace import trace_network


class _Tokens(nn.Module):
    """``num`` channels, ``num`` tokens, sizes written as numbers and as batch sizes."""

    def __init__(self, num: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, num, 1)
        self.linear = nn.Linear(num, num)
        self.token = nn.Parameter(torch.randn(1, 1, num))

    def forward(self, images: Tensor) -> list[Tensor]:
        feature = self.conv(images)
        b, c, h, w = feature.shape
        tokens = feature.view(b, c, h * w).transpose(1, 2)
        tokens = torch.cat([self.token.expand(b, -1, -1), tokens], dim=1)[:, 1:]
        windows = self.linear(tokens).reshape(b * h, w, c)
        return [windows.reshape(b, h, w, c).permute(0, 3, 1, 2) + images.new_zeros(b, c, 1, 1)]


@pytest.mark.parametrize("num", [5, 7, 35, 1009])
@torch.no_grad()
def test_trace_network_of_sizes_equal_to_any_number_holds_for_every_batch(num: int) -> None:
    module = _Tokens(num)
    shape = (3, 5, 7)
    traced = trace_network(module, shape, name="module")
    for batch in (1, 2, *TRACE_BATCHES, 12):
        images = torch.randn(batch, *shape)
        torch.testing.assert_close(traced(images), module(images))
    output = next(node for node in traced.graph.nodes if node.op == "output").args[0][0]
    assert output.meta["shape"] == (1, num, 5, 7)
    flops = sum(node.meta["flops"] for node in traced.graph.nodes)
    assert flops == 2 * 35 * 3 * num + 2 * 35 * num * num


class _Prepared(nn.Module):
    """A weight that is computed on each pass: its cost does not grow with the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Parameter(torch.randn(4, 6)), nn.Parameter(torch.randn(6, 3))

    def forward(self, images: Tensor) -> list[Tensor]:
        weight = self.left @ self.right
        return [torch.nn.functional.conv2d(images, weight[:, :, None, None])]


def test_trace_network_of_weight_computed_on_each_pass_counts_it_once() -> None:
    traced = trace_network(_Prepared(), (3, 8, 8), name="module")
    costs = {node.name: node.meta["flops"] for node in traced.graph.nodes if node.meta["flops"]}
    assert costs == {"matmul": 2 * 4 * 6 * 3, "conv2d": 2 * 64 * 3 * 4}


class _TablePerImage(nn.Module):
    """Builds its position table with the batch size in the shape."""

    def forward(self, images: Tensor) -> list[Tensor]:
        table = torch.ones(len(images), *images.shape[2:]).cumsum(dim=1)
        return [images + table[:, None]]


@torch.no_grad()
def test_trace_network_of_table_with_one_entry_per_image_keeps_one_entry() -> None:
    module = _TablePerImage()
    traced = trace_network(module, (3, 5, 7), name="module")
    for batch in (1, 2, 6):
        images = torch.randn(batch, 3, 5, 7)
        torch.testing.assert_close(traced(images), module(images))
    assert [tuple(buffer.shape) for buffer in traced.buffers()] == [(1, 1, 5, 7)]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (lambda x: x + torch.arange(len(x))[:, None, None, None], "has other entries for every image"),
        (lambda x: x + torch.randn(1), "is random, or depends on the batch size"),
        (lambda x: x * (1.0 / len(x)), "has the argument 0.2, and 0.14"),
        (lambda x: x.relu() if len(x) > 5 else x.sigmoid(), "other operations run for another batch size"),
        (lambda x: x + (x.flatten(1) @ x.flatten(1).T).mean(), "the cost of matmul grows faster than the batch"),
        (lambda x: x[: len(x) // 2], "for 5 images and 3 for 7"),
        (lambda x: x[: len(x) - 1], "is 4, which is no multiple of the batch size"),
    ],
)
def test_trace_network_of_code_that_depends_on_the_batch_size_is_refused(code: object, reason: str) -> None:
    class Module(nn.Module):
        def forward(self, images: Tensor) -> list[Tensor]:
            return [code(images)]  # type: ignore[operator]

    with pytest.raises(UntraceableBackboneError, match=reason):
        trace_network(Module(), (3, 4, 4), name="module")


def test_per_image_splits_a_number_into_what_grows_and_what_does_not() -> None:
    small, large = TRACE_BATCHES
    assert per_image((3 * small, 3 * large), what="n") == (3, 0)
    assert per_image((11, 11), what="n") == (0, 11)
    assert per_image((2 * small + 1, 2 * large + 1), what="n") == (2, 1)
    with pytest.raises(BatchDependenceError, match="n is 25 for 5 images and 48 for 7"):
        per_image((25, 48), what="n")


def test_image_shape_of_axis_that_is_neither_fixed_nor_a_multiple_is_refused() -> None:
    assert image_shape_of(((5, 10, 3), (7, 14, 3)), name="x") == (1, 2, 3)
    with pytest.raises(BatchDependenceError, match="a size of x is neither"):
        image_shape_of(((6, 3), (8, 3)), name="x")
