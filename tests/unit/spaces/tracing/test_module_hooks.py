"""Forward hooks: traced like any other code, run once, or refused."""

import copy
from types import MethodType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import UntraceableBackboneError
from gatefront.spaces.tracing.trace import trace_network


class _Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.second(self.first(images))]


class _Captured(nn.Module):
    """Hands out what a hook caught, as timm's hook-based feature extractors do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 5, 3))
        self.caught: list[Tensor] = []
        self.body[2].register_forward_hook(lambda _layer, _args, result: self.caught.append(result))

    def forward(self, images: Tensor) -> list[Tensor]:
        self.caught.clear()
        last = self.body(images)
        return [*self.caught, last]


def _double(_layer: nn.Module, _args: Any, result: Tensor) -> Tensor:
    return result * 2.0


def _shift_input(_layer: nn.Module, args: tuple[Tensor]) -> Tensor:
    return args[0] + 1.0


def _scale_by_kwargs(_layer: nn.Module, args: Any, kwargs: Any, result: Tensor) -> Tensor:
    return result + args[0].mean() + len(kwargs)


def _replace_kwargs(_layer: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    return (args[0] - 1.0,), kwargs


@torch.no_grad()
def test_trace_network_with_hooks_on_layers_runs_each_of_them_once() -> None:
    module = _Two()
    module.first.register_forward_hook(_double)
    module.first.register_forward_pre_hook(_shift_input)
    module.second.register_forward_hook(_scale_by_kwargs, with_kwargs=True)
    module.second.register_forward_pre_hook(_replace_kwargs, with_kwargs=True)
    images = torch.randn(2, 3, 8, 8)
    (expected,) = module(images)
    (found,) = trace_network(module, (3, 8, 8), name="module")(images)
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_trace_network_of_module_that_collects_features_by_hooks_gives_every_feature() -> None:
    module = _Captured().eval()
    images = torch.randn(2, 3, 8, 8)
    expected = [feature.clone() for feature in module(images)]
    traced = trace_network(module, (3, 8, 8), name="module").eval()
    found = traced(images)
    assert [feature.shape for feature in found] == [(2, 4, 6, 6), (2, 5, 4, 4)]
    for feature, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(feature, wanted)


def test_trace_network_with_hook_on_module_that_is_traced_into_runs_it() -> None:
    module = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.Conv2d(4, 2, 1))
    module[0].register_forward_hook(_double)
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(trace_network(module, (3, 4, 4), name="module")(images), module(images))


def test_trace_network_with_weight_normalization_by_hook_is_refused() -> None:
    module = _Two()
    with pytest.warns(FutureWarning, match="weight_norm"):
        torch.nn.utils.weight_norm(module.first)
    with pytest.raises(UntraceableBackboneError, match=r"hook WeightNorm changes its layer Conv2d.*remove_weight_norm"):
        trace_network(module, (3, 8, 8), name="module")


def test_trace_network_with_hook_inside_a_layer_kept_whole_is_refused() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    caught: list[Tensor] = []
    layer.linear1.register_forward_hook(lambda _layer, _args, result: caught.append(result))

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.layer = nn.Conv2d(3, 8, 4, 4), layer

        def forward(self, images: Tensor) -> list[Tensor]:
            caught.clear()
            tokens = self.layer(self.embed(images).flatten(2).transpose(1, 2))
            return [tokens.mean(dim=1), *(hidden.mean(dim=1) for hidden in caught)]

    with pytest.raises(UntraceableBackboneError, match="hook inside a layer that is kept whole"):
        trace_network(Tokens().train(), (3, 8, 8), name="module")


def _doubled_forward(module: _Two) -> None:
    usual = module.second.forward
    module.second.forward = lambda value: usual(value) * 2.0  # type: ignore[method-assign]


def _bound_forward(module: _Two) -> None:
    def forward(self: nn.Conv2d, value: Tensor) -> Tensor:
        return nn.Conv2d.forward(self, value) * 2.0

    module.second.forward = MethodType(forward, module.second)  # type: ignore[method-assign]


def _tileable(module: _Two) -> None:
    def convolve(value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return nn.functional.conv2d(nn.functional.pad(value, (1, 1, 0, 0), "circular"), weight, bias)

    module.second._conv_forward = convolve  # type: ignore[method-assign, assignment]


def _padded_later(module: _Two) -> None:
    module.second = nn.Conv2d(4, 5, 3, padding=1, padding_mode="circular")
    module.second.padding = (2, 2)  # torch goes on with 1


ALTERED = {
    change.__name__.lstrip("_"): change for change in (_doubled_forward, _bound_forward, _tileable, _padded_later)
}


@pytest.mark.parametrize("name", ALTERED)
@torch.no_grad()
def test_trace_network_of_layer_altered_on_its_own_is_traced_into(name: str) -> None:
    module = _Two().eval()
    ALTERED[name](module)
    images = torch.randn(2, 3, 8, 8)
    (expected,) = module(images)
    traced = trace_network(module, (3, 8, 8), name="module")
    # A slice or a copy of the layer would lose the change.
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["first"]
    torch.testing.assert_close(traced(images)[0], expected)


def test_trace_network_of_method_replaced_inside_a_layer_kept_whole_is_refused() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    layer.linear1.forward = lambda value: nn.functional.linear(value, layer.linear1.weight)  # type: ignore[method-assign]

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.layer = nn.Conv2d(3, 8, 3), layer

        def forward(self, images: Tensor) -> list[Tensor]:
            return [self.layer(self.conv(images).flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, (6, 6))]

    with pytest.raises(UntraceableBackboneError, match=r"a method of Linear is replaced on this one module\. Define a"):
        trace_network(Tokens(), (3, 8, 8), name="module")


class _Choosing(nn.Module):
    """Chooses among its own methods, as some modules of timm do, and resists tracing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.forward = self.forward_twice  # type: ignore[method-assign]

    def forward(self, value: Tensor) -> Tensor:
        raise NotImplementedError

    def forward_twice(self, value: Tensor) -> Tensor:
        if type(value).__name__ == "ConcreteProxy":
            raise TypeError("no proxies, please")
        result: Tensor = self.conv(value) * 2.0
        return result


@torch.no_grad()
def test_copy_of_module_kept_whole_that_chose_its_own_method_computes_with_its_own_weights() -> None:
    traced = trace_network(nn.Sequential(_Choosing()), (3, 8, 8), name="module")
    images, copied = torch.randn(2, 3, 8, 8), copy.deepcopy(traced)
    for parameter in copied.parameters():
        parameter.zero_()
    assert torch.equal(copied(images), torch.zeros(2, 4, 6, 6))
