"""ConcreteTracer: torch.fx with known shapes, so that code that reads shapes traces like any other."""

import operator
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

# torch offers fake tensors under no public name yet; torch.export itself is built on this one.
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.proxy import Attribute, TraceError
from torch.utils._pytree import tree_leaves

from gatefront.spaces.errors import ERRORS_OF_FOREIGN_CODE
from gatefront.spaces.graph.attention import HeadAttention
from gatefront.spaces.graph.flop_counter import flop_counter
from gatefront.spaces.graph.layers import DropPath, LayerNorm2d, keeps_shape
from gatefront.spaces.tracing import module_hooks
from gatefront.spaces.tracing.evaluations import Evaluations
from gatefront.spaces.tracing.in_place import InPlaceError, Write, find_write, set_item
from gatefront.spaces.tracing.module_hooks import HookError
from gatefront.spaces.tracing.overwritten import OverwrittenValues
from gatefront.spaces.tracing.value_checks import genuine_checks

OWN_LAYERS = (HeadAttention, LayerNorm2d, DropPath)
"""Layers of this package that a trace keeps whole, beside torch's."""

_CHANGE_NO_ENTRY = frozenset({"requires_grad_", "cpu", "cuda"})


class ConcreteTracer(fx.Tracer):
    """Tracer into everything but torch's own layers and attention, which computes every value on fake tensors.

    A shape, a dtype or a length is a plain Python value while tracing. Only control flow that depends on the *values*
    of a tensor cannot be followed. In-place operations are spelled out of place
    (:mod:`gatefront.spaces.tracing.in_place`), and forward hooks are traced like any other code. A submodule that
    resists for another reason becomes one node.
    """

    def __init__(
        self, inputs: Sequence[Any], mode: FakeTensorMode, in_place_layers: frozenset[nn.Module] = frozenset()
    ) -> None:
        super().__init__()
        self.proxy_buffer_attributes = True
        self._inputs: Iterator[Any] = iter(inputs)
        self._mode = mode
        self._is_evaluating = False
        self._thread = threading.get_ident()
        self._in_place_layers = in_place_layers
        self._overwritten = OverwrittenValues()
        self.kept_whole: dict[str, str] = {}
        """Submodules that resist tracing, with the reason."""
        self.evaluations = Evaluations()
        self._rebound: list[tuple[ConcreteProxy, fx.Node, Any]] = []
        self._without_gradient: set[fx.Node] = set()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_own = isinstance(m, (*OWN_LAYERS, torch.jit.ScriptModule))
        return not module_hooks.is_altered(m) and (is_own or super().is_leaf_module(m, module_qualified_name))

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self._is_not_recording():
            return forward(*args, **kwargs)
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self._call_whole(m, path, args, kwargs)
        overwritten, num_rebound, stack = self._overwritten.snapshot(), len(self._rebound), self.module_stack.copy()
        try:
            return super().call_module(m, forward, args, kwargs)
        except ERRORS_OF_FOREIGN_CODE as error:
            if isinstance(error, ValueDependenceError | HookError):
                raise
            self._overwritten.restore(overwritten)
            self._undo_rebinding(num_rebound)
            self.module_stack = stack  # torch.fx leaves the modules on it in which the error rose
            self.kept_whole[path] = f"{type(m).__name__}: {error}"
            return self._call_whole(m, path, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if self._is_not_recording():
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def _is_not_recording(self) -> bool:
        """Return True while a value is computed, and in other threads.

        torch.fx replaces methods of all modules, so that code in other threads calls them too.
        """
        return self._is_evaluating or threading.get_ident() != self._thread

    def proxy(self, node: fx.Node) -> "ConcreteProxy":
        return ConcreteProxy(node, self)

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, ConcreteProxy):
            self._overwritten.require_current(a.node)
            return a.node
        if isinstance(a, FakeTensor):
            raise HookError("a value left a layer by a side door: a hook inside a layer that is kept whole holds it")
        return super().create_arg(a)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *more: Any, **options: Any
    ) -> Any:
        """Return a proxy for a value that holds a tensor, or any other value itself."""
        if kind == "call_method" and target in _CHANGE_NO_ENTRY:
            return args[0]
        if kind in ("call_method", "call_function"):
            args, kwargs = _without_devices(target, args, kwargs)
            if kind == "call_method" and target == "to" and len(args) == 1 and not kwargs:
                return args[0]
        write = find_write(kind, target, args, kwargs)
        if write is not None and isinstance(write.destination, ConcreteProxy):
            return self._overwrite(write)
        return self._record(kind, target, args, kwargs, *more, **options)

    def _record(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *more: Any, **options: Any
    ) -> Any:
        proxy: Any = super().create_proxy(kind, target, args, kwargs, *more, **options)
        if kind == "output":
            return proxy
        has_no_gradient = kind != "placeholder" and self._lacks_gradient(kind, target, args)
        value, flops = (next(self._inputs), 0) if kind == "placeholder" else self._evaluate(kind, target, args, kwargs)
        if not any(isinstance(leaf, Tensor) for leaf in tree_leaves(value)):
            self.graph.erase_node(proxy.node)
            return value
        proxy.value = value
        self.evaluations.note(proxy.node, value, flops)
        self._overwritten.add(proxy.node, value)
        if not has_no_gradient:
            return proxy
        self._without_gradient.add(proxy.node)
        is_cut = target == "detach" or not (isinstance(value, Tensor) and value.is_floating_point())
        return proxy if is_cut else self.create_proxy("call_method", "detach", (proxy,), {})

    def _lacks_gradient(self, kind: str, target: Any, args: tuple[Any, ...]) -> bool:
        """Return True for an operation under torch.no_grad, and for an item of the result of such an operation."""
        if kind == "get_attr":
            return False
        is_item = target is operator.getitem and isinstance(args[0], ConcreteProxy)
        return not torch.is_grad_enabled() or (is_item and args[0].node in self._without_gradient)

    def _overwrite(self, write: Write) -> "ConcreteProxy":
        """Record the out-of-place twin. Afterwards the destination refers to its result."""
        destination: ConcreteProxy = write.destination
        if write.target is set_item:
            self._accept_changed_view(*write.args)
        shared = self._overwritten.sharing(destination.value)
        result = self._record(write.kind, write.target, write.args, write.kwargs)
        if result.value.dtype != destination.value.dtype:
            result = self._record("call_method", "to", (result, destination.value.dtype), {})
        self._overwritten.overwrite(shared, destination)
        self._rebound.append((destination, destination.node, destination.value))
        destination.node, destination.value = result.node, result.value
        return destination

    def _accept_changed_view(self, proxy: "ConcreteProxy", index: Any, value: Any) -> None:
        """Accept ``x[i] += y``, which writes into the view ``x[i]`` and then assigns it to an item of the old ``x``."""
        if self._overwritten.writer(proxy.node) is not value:
            return
        view = next(node for changed, node, _ in self._rebound if changed is value)
        if view.target is operator.getitem and view.args == (proxy.node, self.create_arg(index)):
            self._overwritten.forget(proxy.node)

    def _undo_rebinding(self, num_kept: int) -> None:
        while len(self._rebound) > num_kept:
            proxy, node, value = self._rebound.pop()
            proxy.node, proxy.value = node, value

    def _call_whole(self, layer: nn.Module, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module_hooks.require_own_methods(layer)
        is_scripted = isinstance(layer, torch.jit.ScriptModule)  # has hooks of its own, which run inside it
        if not is_scripted:
            args, kwargs = module_hooks.run_forward_pre_hooks(layer, args, kwargs)
        first = next((leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, ConcreteProxy)), None)
        if layer in self._in_place_layers and first is not None:
            result: Any = self._overwrite(Write("call_module", path, args, kwargs, first))
        else:
            result = self.create_proxy("call_module", path, args, kwargs)
        return result if is_scripted else module_hooks.run_forward_hooks(layer, args, kwargs, result)

    def _evaluate(self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, int]:
        """Return the value of an operation, and its FLOPs."""
        args, kwargs = fx.node.map_aggregate((args, kwargs), _value_of)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        versions = [tensor._version for tensor in tensors]
        self._is_evaluating = True
        try:
            with genuine_checks(), self._mode, torch.no_grad():
                value, flops = self._compute(kind, target, args, kwargs)
        finally:
            self._is_evaluating = False
        if [tensor._version for tensor in tensors] != versions:
            raise InPlaceError(f"{target} writes into its input")
        return value, flops

    def _compute(self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, int]:
        if kind == "get_attr":
            return self._mode.from_tensor(operator.attrgetter(target)(self.root)), 0
        function = target
        if kind == "call_module":
            layer = self.root.get_submodule(target)
            if keeps_shape(layer, args):
                return torch.empty_like(args[0]), 0
            function = layer.forward  # not the layer itself: its hooks run on proxies
        elif kind == "call_method":
            function, args = getattr(args[0], target), args[1:]
        with flop_counter() as counter:
            value = function(*args, **kwargs)
        return value, int(counter.get_total_flops())


class ValueDependenceError(TraceError):
    """Error of control flow that a trace cannot follow."""

    hint = "Whatever the image shows, its forward must run the same operations; shapes may be asked."


def _in_place_operator(function: Any) -> Callable[[Any, Any], Any]:
    def write(self: "ConcreteProxy", other: Any) -> Any:
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    return write


class ConcreteProxy(fx.Proxy):
    """Proxy that knows its value (fake tensors), and so its shape.

    It passes for its value where code asks with isinstance (:mod:`gatefront.spaces.tracing.value_checks`).
    """

    tracer: ConcreteTracer

    def __init__(self, node: fx.Node, tracer: ConcreteTracer) -> None:
        super().__init__(node, tracer)
        self.value: Any = None

    def __getattr__(self, k: str) -> Any:
        attribute = getattr(self.__dict__["value"], k)
        if isinstance(attribute, Tensor):
            return self.tracer.create_proxy("call_function", getattr, (self, k), {})
        return Attribute(self, k) if callable(attribute) else attribute

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("node", "tracer", "value"):
            raise InPlaceError(f"the attribute {name} of {self.node.name} is set, which a trace cannot follow")
        super().__setattr__(name, value)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return iter([operator.getitem(self, index) for index in range(len(self.value))])

    def __bool__(self) -> bool:
        raise ValueDependenceError(f"control flow depends on the value of {self.node}")

    def __int__(self) -> int:
        raise ValueDependenceError(f"a size or an index depends on the value of {self.node}")

    __index__ = __int__

    # torch.fx has none of these: Python would take `x += y` for `x = x + y`, and other names of x would miss the write.
    __iadd__ = _in_place_operator(operator.iadd)
    __isub__ = _in_place_operator(operator.isub)
    __imul__ = _in_place_operator(operator.imul)
    __itruediv__ = _in_place_operator(operator.itruediv)
    __ifloordiv__ = _in_place_operator(operator.ifloordiv)
    __imod__ = _in_place_operator(operator.imod)
    __ipow__ = _in_place_operator(operator.ipow)
    __iand__ = _in_place_operator(operator.iand)
    __ior__ = _in_place_operator(operator.ior)
    __ixor__ = _in_place_operator(operator.ixor)


def _value_of(argument: Any) -> Any:
    return argument.value if isinstance(argument, ConcreteProxy) else argument


def _without_devices(
    target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Leave out devices, because values stay where the images are, not where they were during the trace."""
    if not any(isinstance(leaf, ConcreteProxy) for leaf in tree_leaves((args, kwargs))):
        return args, kwargs
    kept = tuple(
        arg for arg in args if not (isinstance(arg, torch.device) or (target == "to" and isinstance(arg, str)))
    )
    return kept, {key: value for key, value in kwargs.items() if key != "device"}
