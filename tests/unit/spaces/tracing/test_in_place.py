"""In-place operations: the traced network computes what the module computes, or is refused."""

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatefront.spaces import UntraceableBackboneError
from gatefront.spaces.tracing.in_place import copy_like, fill_like, set_item
from gatefront.spaces.tracing.trace import trace_network


class _Module(nn.Module):
    """A convolution, then some code of a test."""

    def __init__(self, code: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.gain = nn.Parameter(torch.tensor(0.25))
        self.relu = nn.ReLU(inplace=True)
        self.celu = nn.CELU(inplace=True)
        self.count = nn.Buffer(torch.zeros(4))
        self.code = code

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.code(self, self.conv(images))]


def _unused_method(_: Any, x: Tensor) -> Tensor:
    x.mul_(2.0)
    return x


def _gain(module: Any, x: Tensor) -> Tensor:
    return x.mul_(module.gain)


def _unused_function(_: Any, x: Tensor) -> Tensor:
    F.relu(x, inplace=True)
    return x


def _unused_positional(_: Any, x: Tensor) -> Tensor:
    F.relu(x, True)
    return x


def _unused_underscore_function(_: Any, x: Tensor) -> Tensor:
    torch.sigmoid_(x)
    return x


def _unused_layer(module: Any, x: Tensor) -> Tensor:
    module.relu(x)
    return x


def _unused_layer_of_another_kind(module: Any, x: Tensor) -> Tensor:
    module.celu(x)
    return x


def _layer_then_its_input(module: Any, x: Tensor) -> Tensor:
    return module.relu(x) + x.mean(dim=1, keepdim=True)


def _augmented(_: Any, x: Tensor) -> Tensor:
    kept = x
    x += 1.0
    return x * kept


def _operator(_: Any, x: Tensor) -> Tensor:
    operator.imul(x, 3.0)
    return x


def _out(_: Any, x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    torch.mul(x, 2.0, out=y)
    return y


def _chain(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y.add_(1.0).clamp_(min=0.0)
    return x - y


def _item(_: Any, x: Tensor) -> Tensor:
    x[:, 1] = 0.5
    return x


def _item_changed(_: Any, x: Tensor) -> Tensor:
    x[:, :2] *= 3.0
    return x


def _filled(_: Any, x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    y.fill_(0.5)
    y.copy_(x[:, :1])
    return x + y


def _zeroed(_: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y.zero_()
    return y - 2.0 * x


def _index_added(_: Any, x: Tensor) -> Tensor:
    x.index_add_(1, torch.tensor([0, 2]), x[:, :2].clone())
    return x


FOLLOWED = {
    code.__name__.lstrip("_"): code
    for code in (
        *(_unused_method, _gain, _unused_function, _unused_positional, _unused_underscore_function, _unused_layer),
        *(_unused_layer_of_another_kind, _layer_then_its_input, _augmented, _operator, _out, _chain, _item),
        *(_item_changed, _filled, _zeroed, _index_added),
    )
}


@pytest.mark.parametrize("name", FOLLOWED)
@torch.no_grad()
def test_trace_network_of_in_place_operation_gives_the_modules_own_values(name: str) -> None:
    module = _Module(FOLLOWED[name])
    images = torch.randn(2, 3, 5, 6)
    (expected,) = module(images.clone())
    unwritten = module.conv(images)
    assert (expected - unwritten).abs().max() > 0.1  # the operation matters
    traced = trace_network(module, (3, 5, 6), name="module")
    for _ in range(2):
        (found,) = traced(images)
        torch.testing.assert_close(found, expected)
    assert not any(str(node.target).endswith("_") for node in traced.graph.nodes)
    assert not any(node.kwargs.get("inplace") or "out" in node.kwargs for node in traced.graph.nodes)


def _through_view(_: Any, x: Tensor) -> Tensor:
    x[:, :2].mul_(2.0)
    return x


def _through_reshape(_: Any, x: Tensor) -> Tensor:
    x.view(-1).mul_(2.0)
    return x


def _view_of_overwritten(_: Any, x: Tensor) -> Tensor:
    view = x[:, :2]
    x.mul_(2.0)
    return view


def _data(_: Any, x: Tensor) -> Tensor:
    x.data = x * 2.0
    return x


def _buffer(module: Any, x: Tensor) -> Tensor:
    module.count.add_(1.0)
    return x + module.count.view(1, -1, 1, 1)


def _random(_: Any, x: Tensor) -> Tensor:
    return x.normal_()


REFUSED = {
    code.__name__.lstrip("_"): (code, reason)
    for code, reason in (
        (_through_view, "conv is read after an in-place operation has overwritten its memory"),
        (_through_reshape, "conv is read after an in-place operation has overwritten its memory"),
        (_view_of_overwritten, "getitem is read after an in-place operation has overwritten its memory"),
        (_data, "attribute data of conv is set"),
        (_buffer, "writes into count, a tensor of the module itself"),
        (_random, "normal_ writes into its tensor and has no out-of-place twin"),
    )
}


@pytest.mark.parametrize("name", REFUSED)
def test_trace_network_of_write_that_no_graph_can_follow_is_refused(name: str) -> None:
    code, reason = REFUSED[name]
    with pytest.raises(UntraceableBackboneError, match=reason):
        trace_network(_Module(code), (3, 5, 6), name="module")


class _Resisting(nn.Module):
    """Writes into its input, then resists tracing."""

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2.0)
        if type(x).__name__ == "ConcreteProxy":
            raise RuntimeError("no proxies")
        return x + 1.0


def test_trace_network_of_whole_layer_that_writes_into_its_input_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), _Resisting())
    with pytest.raises(UntraceableBackboneError, match="1 writes into its input"):
        trace_network(module, (3, 5, 6), name="module")


class _HalfTraced(nn.Module):
    """Rebinds its input before it resists: what was traced until then must not count."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        y += 1.0
        if type(x).__name__ == "ConcreteProxy":
            raise RuntimeError("no proxies")
        return y


@torch.no_grad()
def test_trace_network_of_layer_given_up_midway_forgets_its_writes() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), _HalfTraced(), nn.ReLU())
    images = torch.randn(2, 3, 5, 6)
    traced = trace_network(module, (3, 5, 6), name="module")
    torch.testing.assert_close(traced(images), module(images))
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["0", "1", "2"]


def test_set_item_leaves_its_argument_alone() -> None:
    tensor = torch.zeros(2, 3)
    assert set_item(tensor, (slice(None), 1), 4.0).tolist() == [[0.0, 4.0, 0.0]] * 2
    assert not tensor.any()


def test_fill_like_and_copy_like_keep_shape_and_type() -> None:
    tensor = torch.zeros(2, 3, dtype=torch.float64)
    assert torch.equal(fill_like(tensor, 2), torch.full((2, 3), 2.0, dtype=torch.float64))
    assert torch.equal(copy_like(tensor, torch.ones(3)), torch.ones(2, 3, dtype=torch.float64))
