"""Trace of a module into a graph whose nodes know their shape, their channel rule and their FLOPs."""

import logging
import operator
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from gatefront.spaces.errors import ERRORS_OF_FOREIGN_CODE, UntraceableBackboneError
from gatefront.spaces.graph.canonicalize import spell_arithmetic, spell_expansions, spell_reshapes
from gatefront.spaces.graph.channel_rules import assign_rules
from gatefront.spaces.graph.flop_counter import flop_counter
from gatefront.spaces.graph.layers import keeps_shape
from gatefront.spaces.tracing.batch_axis import (
    TRACE_BATCHES,
    BatchDependenceError,
    image_shape_of,
    open_batch_sizes,
    open_constants,
    per_image,
)
from gatefront.spaces.tracing.evaluations import Evaluations
from gatefront.spaces.tracing.fake_run import DEPENDENCE_ON_VALUES, describe_dependence, fake_tensors
from gatefront.spaces.tracing.graph_module import build_graph_module
from gatefront.spaces.tracing.in_place import InPlaceError, set_layers_out_of_place
from gatefront.spaces.tracing.module_hooks import remove_forward_hooks
from gatefront.spaces.tracing.module_state import restored
from gatefront.spaces.tracing.recorded_calls import calls_recorded
from gatefront.spaces.tracing.tracer import (
    ConcreteProxy,
    ConcreteTracer,
    ValueDependenceError,
)
from gatefront.spaces.tracing.value_checks import proxies_pass_for_values

logger = logging.getLogger(__name__)

_ONE_TRACE_AT_A_TIME = threading.RLock()
"""Lock of all traces. A trace replaces methods that all threads use, and restores them when it ends."""

Shape = Sequence[int]


def trace_network(module: nn.Module, input_shape: Shape, *, name: str) -> fx.GraphModule:
    """Trace ``module``. Every node gets ``meta["shape"]``, ``["flops"]``, ``["rule"]`` and ``["channel_axis"]``.

    Nothing is computed, because the trace runs on fake tensors. Operations that no rule covers stay whole, as opaque
    nodes. Submodules that resist tracing stay whole, too, and are named in the log (level INFO).

    Args:
        module: ``images [batch, channels, height, width] -> list of features``. Its layers are used, not copied.
        input_shape: ``(channels, height, width)``. Shapes and FLOPs are those of one image.
        name: the module's name in messages.

    Raises:
        UntraceableBackboneError: the control flow depends on values, an in-place operation cannot be followed, or the
            module cannot take such images.
    """
    with fake_tensors() as mode:
        with mode:
            inputs = [torch.empty(batch, *input_shape) for batch in TRACE_BATCHES]
        traces = _trace_twice(module, inputs, mode, name)
        _finish(traces, [[images] for images in inputs], mode, name)
    return traces[0].module


def trace_head(head: nn.Module, feature_shapes: Sequence[Shape], *, name: str) -> fx.GraphModule:
    """Trace a head ``features (list) -> prediction`` into a graph with one input per feature that it reads.

    Each input node's ``meta["feature_index"]`` is the index of its feature of the backbone.

    Args:
        head: the head, whose layers are used, not copied.
        feature_shapes: one per feature, with a batch axis.
        name: the head's name in messages.
    """
    with fake_tensors() as mode:
        with mode:
            features = [[torch.empty(batch, *shape[1:]) for shape in feature_shapes] for batch in TRACE_BATCHES]
        traces = _trace_twice(head, features, mode, name)
        for trace in traces:
            _split_list_input(trace.module.graph, len(feature_shapes))
        graph = traces[0].module.graph
        read = [node.meta["feature_index"] for node in graph.nodes if node.op == "placeholder"]
        _finish(traces, [[found[index] for index in read] for found in features], mode, name)
    return traces[0].module


@dataclass(frozen=True, slots=True)
class _Trace:
    module: fx.GraphModule
    evaluations: Evaluations
    kept_whole: Mapping[str, str]
    """Submodules that were kept whole, with the reasons."""


def _trace_twice(module: nn.Module, inputs: Sequence[Any], mode: FakeTensorMode, name: str) -> tuple[_Trace, _Trace]:
    """Trace with each of ``TRACE_BATCHES``. ``inputs`` are those of the two traces."""
    was_training = module.training
    module.eval()  # what a module does only in training mode (auxiliary outputs, random depth) is not the network
    in_place = set_layers_out_of_place(module)
    try:
        first, second = (_trace(module, given, mode, in_place) for given in inputs)
        open_constants(first.module, second.module)
    except ERRORS_OF_FOREIGN_CODE as error:
        raise _refusal(f"{name} cannot be traced by torch.fx", error) from error
    finally:
        module.train(was_training)
    for path, reason in first.kept_whole.items():
        logger.info("%s: %s is kept whole: %s", name, path, reason)
    first.module.train(was_training)
    remove_forward_hooks(first.module.modules())
    return first, second


def _trace(module: nn.Module, inputs: Any, mode: FakeTensorMode, in_place: frozenset[nn.Module]) -> _Trace:
    tracer = ConcreteTracer([inputs], mode, in_place)
    # With gradients, independent of the caller, because code under torch.no_grad is traced differently.
    with (
        _ONE_TRACE_AT_A_TIME,
        restored(module),
        torch.enable_grad(),
        proxies_pass_for_values(ConcreteProxy),
        calls_recorded(ConcreteProxy),
    ):
        graph = tracer.trace(module)
        _require_same_tensors(module, graph)
        traced = build_graph_module(module, graph)
    spell_arithmetic(graph)
    graph.eliminate_dead_code()
    return _Trace(traced, tracer.evaluations, tracer.kept_whole)


def _require_same_tensors(module: nn.Module, graph: fx.Graph) -> None:
    """Refuse a module whose forward pass reads a tensor and replaces it, because a graph holds no such state."""
    read = {str(node.target) for node in graph.nodes if node.op == "get_attr" and node.users}
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        # By its type no proxy is a tensor.
        if name in read and type(value).__name__ == ConcreteProxy.__name__:
            raise InPlaceError(f"the forward pass reads {name} and replaces it by a value computed from the images")


def _refusal(what: str, error: Exception) -> UntraceableBackboneError:
    reason = (str(error).partition("\n")[0] or type(error).__name__).rstrip(".")
    hint = getattr(error, "hint", "Check that it takes images of the study's size.")
    if isinstance(error, DEPENDENCE_ON_VALUES):
        reason, hint = describe_dependence(error), ValueDependenceError.hint
    return UntraceableBackboneError(f"{what}: {reason}.", hint=hint)


def _finish(traces: tuple[_Trace, _Trace], inputs: Sequence[Any], mode: FakeTensorMode, name: str) -> None:
    """Replace batch sizes, spell reshapes and annotate. ``inputs`` are those for each of ``TRACE_BATCHES``."""
    traced, other = traces[0].module, traces[1].module.graph
    twins = list(zip(traced.graph.nodes, other.nodes, strict=False))
    known = (traces[0].evaluations, traces[1].evaluations.of_twins(twins))
    try:
        open_batch_sizes(traced.graph, other)
        _annotate(traced, inputs, mode, known)
        modules = dict(traced.named_modules())
        spell_reshapes(traced.graph, modules)
        spell_expansions(traced.graph)
        traced.graph.eliminate_dead_code()
        traced.delete_all_unused_submodules()
        traced.recompile()
        _annotate(traced, inputs, mode, known)
    except ERRORS_OF_FOREIGN_CODE as error:
        raise _refusal(f"{name} cannot be lifted", error) from error
    assign_rules(traced.graph, dict(traced.named_modules()))
    note_last_uses(traced.graph)


class _Annotator(fx.Interpreter):
    """Run of the graph on fake inputs that finds the value and the cost of each node, unless they are known already."""

    def __init__(self, traced: fx.GraphModule, known: Evaluations) -> None:
        super().__init__(traced)
        self._known = known
        self._differing: set[fx.Node] = set()
        self.found: dict[fx.Node, tuple[Any, int]] = {}

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        return args[0] if keeps_shape(module, args) else module(*args, **kwargs)

    def run_node(self, n: fx.Node) -> Any:
        # A module may have replaced a tensor after the trace had read it, so tensors are read again.
        known = None if n.op == "get_attr" or self._differing.intersection(n.all_input_nodes) else self._known.find(n)
        self.found[n] = known or self._run(n)
        return self.found[n][0]

    def _run(self, node: fx.Node) -> tuple[Any, int]:
        with flop_counter() as counter:
            value = super().run_node(node)
        flops = int(counter.get_total_flops())
        if not self._known.is_alike(node, value):
            self._differing.add(node)
        self._known.note(node, value, flops)
        return value, flops


def _annotate(
    traced: fx.GraphModule, inputs: Sequence[Any], mode: FakeTensorMode, known: Sequence[Evaluations]
) -> None:
    """Give every node its shapes, its FLOPs and the kind of its value, from a run with each batch size.

    ``known`` are evaluations of the graph, one for each batch size. They are completed in place.
    """
    was_training = traced.training
    traced.eval()
    runs = [_Annotator(traced, evaluations) for evaluations in known]
    try:
        with mode, torch.no_grad():
            for run, given in zip(runs, inputs, strict=True):
                run.run(*given)
    finally:
        traced.train(was_training)
    for node in traced.graph.nodes:
        values, flops = zip(*(run.found[node] for run in runs), strict=True)
        shapes = tuple(tuple(value.shape) for value in values if isinstance(value, Tensor))
        node.meta["batched_shape"] = shapes[0] if shapes else None
        node.meta["batched_shapes"] = shapes
        node.meta["shape"] = image_shape_of(shapes, name=node.name) if shapes else None
        node.meta["is_float"] = isinstance(values[0], Tensor) and values[0].is_floating_point()
        node.meta["has_tensor"] = any(isinstance(leaf, Tensor) for leaf in tree_leaves(values[0]))
        each, once = per_image(flops, what=f"the cost of {node.name}")
        if once < 0:
            raise BatchDependenceError(f"the cost of {node.name} grows faster than the batch")
        # What is computed from parameters alone costs the same for any batch.
        node.meta["flops"] = each + once


def note_last_uses(graph: fx.Graph) -> None:
    """Set ``meta["last_uses"]``: the values that nobody reads after this node, so that they can be freed."""
    seen: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        node.meta["last_uses"] = [source for source in node.all_input_nodes if source not in seen]
        seen.update(node.all_input_nodes)


def _split_list_input(graph: fx.Graph, num_features: int) -> None:
    """Replace the one list input by one input per feature that is read."""
    whole_list = next(node for node in graph.nodes if node.op == "placeholder")
    inputs: dict[int, fx.Node] = {}
    for node in [n for n in whole_list.users if n.target is operator.getitem]:
        index = int(node.args[1]) % num_features
        if index not in inputs:
            with graph.inserting_before(whole_list):
                inputs[index] = graph.placeholder(f"feature_{index}")
            inputs[index].meta["feature_index"] = index
        node.replace_all_uses_with(inputs[index])
        graph.erase_node(node)
    graph.erase_node(whole_list)
