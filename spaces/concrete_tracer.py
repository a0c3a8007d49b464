"""ConcreteTracer: torch.fx with known shapes, so that code that looks at shapes traces like any other."""

import logging
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

# torch offers fake tensors under no public name yet; torch.export itself is built on this one.
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.proxy import Attribute, TraceError
from torch.utils._pytree import tree_leaves

from spaces.attention import HeadAttention
from spaces.layers import ELEMENTWISE_MODULES, LayerNorm2d

logger = logging.getLogger(__name__)

BATCH = 1009
"""The batch size of a trace. A prime that is no channel count: its multiples in a graph are batch sizes."""


class ConcreteTracer(fx.Tracer):
    """Traces into everything but torch's own layers and attention; computes every value on fake tensors.

    A shape, a dtype or a length is a plain Python value while tracing. Only control flow that depends on the
    *values* of a tensor cannot be followed. A submodule that resists for another reason becomes one node.
    """

    def __init__(self, inputs: Sequence[Any], mode: FakeTensorMode) -> None:
        super().__init__()
        self.proxy_buffer_attributes = True
        self._inputs: Iterator[Any] = iter(inputs)
        self._mode = mode
        self._is_evaluating = False

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, HeadAttention | LayerNorm2d) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self._is_evaluating:
            return forward(*args, **kwargs)
        try:
            return super().call_module(m, forward, args, kwargs)
        except (TraceError, TypeError) as error:
            if isinstance(error, ValueDependenceError):
                raise
            path = self.path_of_module(m)
            logger.info("%s (%s) is kept whole: %s", path, type(m).__name__, error)
            return self.create_proxy("call_module", path, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if self._is_evaluating:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def proxy(self, node: fx.Node) -> "ConcreteProxy":
        return ConcreteProxy(node, self)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *more: Any, **options: Any
    ) -> Any:
        """A proxy for a value that holds a tensor; any other value itself."""
        proxy: Any = super().create_proxy(kind, target, args, kwargs, *more, **options)
        if kind == "output":
            return proxy
        value = next(self._inputs) if kind == "placeholder" else self._evaluate(kind, target, args, kwargs)
        if not any(isinstance(leaf, Tensor) for leaf in tree_leaves(value)):
            self.graph.erase_node(proxy.node)
            return value
        proxy.value = value
        return proxy

    def _evaluate(self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = fx.node.map_aggregate((args, kwargs), _value_of)
        self._is_evaluating = True
        try:
            with self._mode, torch.no_grad():
                if kind == "get_attr":
                    return self._mode.from_tensor(operator.attrgetter(target)(self.root))
                if kind == "call_module":
                    module = self.root.get_submodule(target)
                    return args[0] if keeps_shape(module, args) else module(*args, **kwargs)
                if kind == "call_method":
                    return getattr(args[0], target)(*args[1:], **kwargs)
                return target(*args, **kwargs)
        finally:
            self._is_evaluating = False


def keeps_shape(module: nn.Module, inputs: Sequence[Any]) -> bool:
    """True for a norm or an activation of an input that fits it: computing it, if only on fake tensors, is idle."""
    if type(module) is nn.BatchNorm2d:
        return len(inputs) == 1 and inputs[0].dim() == 4 and inputs[0].shape[1] == module.num_features
    return len(inputs) == 1 and type(module) in ELEMENTWISE_MODULES


class ValueDependenceError(TraceError):
    """Control flow that a trace cannot follow."""


class ConcreteProxy(fx.Proxy):
    """A proxy that knows its value (fake tensors), and so its shape."""

    tracer: ConcreteTracer

    def __init__(self, node: fx.Node, tracer: ConcreteTracer) -> None:
        super().__init__(node, tracer)
        self.value: Any = None

    def __getattr__(self, k: str) -> Any:
        attribute = getattr(self.__dict__["value"], k)
        if isinstance(attribute, Tensor):
            return self.tracer.create_proxy("call_function", getattr, (self, k), {})
        return Attribute(self, k) if callable(attribute) else attribute

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter([operator.getitem(self, index) for index in range(len(self.value))])

    def __bool__(self) -> bool:
        raise ValueDependenceError(f"control flow depends on the value of {self.node}")

    def __int__(self) -> int:
        raise ValueDependenceError(f"a size or an index depends on the value of {self.node}")

    __index__ = __int__


def _value_of(argument: Any) -> Any:
    return argument.value if isinstance(argument, ConcreteProxy) else argument
