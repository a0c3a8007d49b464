"""isinstance during a trace tells of a proxy what it tells of the value that the proxy stands for."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import UntraceableBackboneError
from gatefront.spaces.tracing.trace import trace_network


class _Asking(nn.Module):
    """Notes what isinstance says of a tensor, of several tensors and of a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gain = nn.Conv2d(3, 4, 1), nn.Parameter(torch.ones(4, 1, 1))
        self.answers: dict[str, bool] = {}

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.conv(images)
        parts: Any = x.chunk(2, 1)
        self.answers |= {
            "tensor": isinstance(x, Tensor) and torch.is_tensor(x),
            "float tensor": isinstance(x, torch.FloatTensor),
            "tuple": isinstance(parts, tuple),
        }
        self.answers |= {
            "long tensor": isinstance(x, torch.LongTensor),
            "parameter": isinstance(x, nn.Parameter),
            "number": isinstance(x, int | float),
            "list": isinstance(parts, list | dict),
        }
        return [parts[0] * self.gain[:2]]


@pytest.mark.parametrize("kind", ["module", "trace"])
def test_isinstance_of_a_traced_value_says_what_it_says_of_a_tensor(kind: str) -> None:
    module = _Asking()
    answers = module.answers
    if kind == "module":
        module(torch.zeros(1, 3, 4, 4))
    else:
        module.answers = _Kept(answers)  # type: ignore[assignment]
        trace_network(module, (3, 4, 4), name="module")
    assert [name for name, answer in answers.items() if answer] == ["tensor", "float tensor", "tuple"]
    assert len(answers) == 7


class _Kept:
    """Takes entries as a dictionary does; a trace empties the dictionaries of a module afterwards."""

    def __init__(self, entries: dict[str, bool]) -> None:
        self._entries = entries

    def __ior__(self, more: dict[str, bool]) -> "_Kept":
        self._entries.update(more)
        return self


class _Vectorized(nn.Module):
    """Hands its value to compiled code, which would read the memory of what passes for a tensor."""

    def forward(self, value: Tensor) -> Tensor:
        return torch.vmap(lambda image: image * 2)(value)  # type: ignore[no-any-return]


def test_compiled_code_that_asks_for_a_tensor_takes_no_proxy_for_one() -> None:
    with pytest.raises(UntraceableBackboneError, match="incompatible function arguments"):
        trace_network(_Vectorized(), (3, 4, 4), name="module")


def test_submodule_with_compiled_code_is_kept_whole() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), _Vectorized())
    traced = trace_network(module, (3, 4, 4), name="module")
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(traced(images), module(images))
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["0", "1"]
