"""Code that torch runs in C++ without asking a proxy: recorded or traced, with its own backward pass."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gatefront.spaces import UntraceableBackboneError
from gatefront.spaces.tracing.trace import trace_network

SHAPE = (3, 6, 5)


class Reversal(torch.autograd.Function):
    """Gives its input, and the gradient with the other sign."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return -gradient


@torch.jit.script
def gelu(value: Tensor) -> Tensor:
    """Has the name of a function that works channel by channel, and does not."""
    return value.flip([1])


class _Module(nn.Module):
    def __init__(self, code: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.inner = nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
        self.scripted = torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()))
        self.code = code

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.code(self, self.conv(images))]


CODES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "autograd function": lambda _, x: Reversal.apply(x),
    "checkpoint": lambda module, x: checkpoint(module.inner, x, use_reentrant=False),
    "reentrant checkpoint": lambda module, x: checkpoint(module.inner, x, use_reentrant=True),
    "scripted function": lambda _, x: gelu(x),
    "scripted module": lambda module, x: module.scripted(x),
}


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_trace_network_of_compiled_calls_gives_features_and_gradients_of_the_module(
    code: Callable[[Any, Tensor], Tensor],
) -> None:
    module = _Module(code)
    images = torch.randn(2, *SHAPE)
    expected = module(images)[0]
    wanted = _gradient(expected, module.conv.weight)
    traced = trace_network(module, SHAPE, name="module")
    found = traced(images)[0]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(_gradient(found, traced.get_parameter("conv.weight")), wanted)


def _gradient(feature: Tensor, parameter: nn.Parameter) -> Tensor:
    parameter.grad = None
    feature.square().sum().backward()  # type: ignore[no-untyped-call]
    assert parameter.grad is not None
    return parameter.grad


def test_trace_network_of_checkpoint_holds_the_layers_inside() -> None:
    traced = trace_network(_Module(CODES["checkpoint"]), SHAPE, name="module")
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["conv", "inner.0", "inner.1"]


def test_trace_network_of_code_without_gradients_cuts_them() -> None:
    def code(module: Any, x: Tensor) -> Tensor:
        with torch.no_grad():
            first, second = module.inner(x).chunk(2, 1)
        return x[:, :2] + first * second

    module = _Module(code)
    images = torch.randn(2, *SHAPE)
    with torch.no_grad():  # what the caller does is not what the module does
        traced = trace_network(module, SHAPE, name="module")
    for form in (module, traced):
        form(images)[0].square().sum().backward()
        assert module.inner[0].weight.grad is None  # type: ignore[union-attr]
        assert module.conv.weight.grad is not None
    once = module.conv.weight.grad.clone()
    module.zero_grad()
    module(images)[0].square().sum().backward()
    torch.testing.assert_close(once, 2 * module.conv.weight.grad)


def test_calls_are_torch_s_own_again_after_a_trace_that_fails() -> None:
    before = vars(torch.autograd.Function)["apply"], torch.jit.ScriptFunction.__call__, isinstance
    with pytest.raises(UntraceableBackboneError, match="depends on the value of sum"):
        trace_network(_Module(lambda _, x: x * float(x.sum())), SHAPE, name="module")
    assert (vars(torch.autograd.Function)["apply"], torch.jit.ScriptFunction.__call__, isinstance) == before
