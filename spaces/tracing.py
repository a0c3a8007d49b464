"""From a module to a graph whose nodes know their shape, their channel rule and their FLOPs."""

import logging
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.proxy import TraceError
from torch.utils._pytree import tree_leaves

from spaces.canonical import is_reshape, open_batch_size, spell_out_of_place
from spaces.channels import ChannelRule, assign_rules
from spaces.concrete_tracer import BATCH, ConcreteTracer, keeps_shape
from spaces.errors import UntraceableBackboneError
from spaces.flop_counter import flop_counter

logger = logging.getLogger(__name__)

Shape = Sequence[int]


def trace_network(module: nn.Module, input_shape: Shape, *, name: str) -> fx.GraphModule:
    """Trace ``module``; every node gets ``meta["shape"]``, ``["flops"]``, ``["rule"]`` and ``["channel_axis"]``.

    ``input_shape`` is ``(channels, height, width)``; shapes and FLOPs are those of one image. Nothing is
    computed: the trace runs on fake tensors. ``name`` is what messages call the module. Operations that no
    rule covers stay whole, as opaque nodes, and are named in one log line.

    Raises:
        UntraceableBackboneError: the control flow depends on values, or the module cannot take such images.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        images = torch.empty(BATCH, *input_shape)
    traced = _trace(module, images, mode, name)
    _finish(traced, [images], mode, name)
    _name_opaque_operations(traced.graph, name)
    return traced


def trace_head(head: nn.Module, feature_shapes: Sequence[Shape], *, name: str) -> fx.GraphModule:
    """Trace a head ``features (list) -> prediction`` into a graph with one input per feature it reads.

    ``feature_shapes`` include a batch axis. Each input node's ``meta["feature_index"]`` says which of the
    backbone's features it is.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        features = [torch.empty(BATCH, *shape[1:]) for shape in feature_shapes]
    traced = _trace(head, features, mode, name)
    _split_list_input(traced.graph, len(features))
    traced.recompile()
    inputs = [features[n.meta["feature_index"]] for n in traced.graph.nodes if n.op == "placeholder"]
    _finish(traced, inputs, mode, name)
    return traced


def _trace(module: nn.Module, inputs: Any, mode: FakeTensorMode, name: str) -> fx.GraphModule:
    _avoid_in_place(module)
    was_training = module.training
    module.eval()  # what a module does only in training mode (auxiliary outputs, random depth) is not the network
    tracer = ConcreteTracer([inputs], mode)
    try:
        graph = tracer.trace(module)
    except (TraceError, TypeError, AttributeError, ValueError, RuntimeError, AssertionError, IndexError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UntraceableBackboneError(
            f"{name} cannot be traced by torch.fx: {reason}",
            hint="Use a backbone without control flow that depends on values, and check that it takes images of "
            "the study's size.",
        ) from error
    finally:
        module.train(was_training)
    traced = fx.GraphModule(module, graph)
    traced.train(was_training)
    spell_out_of_place(graph)
    graph.eliminate_dead_code()
    return traced


def _finish(traced: fx.GraphModule, inputs: Sequence[Tensor], mode: FakeTensorMode, name: str) -> None:
    _annotate(traced, inputs, mode, name)
    if open_batch_size(traced):
        _annotate(traced, inputs, mode, name)
    modules = dict(traced.named_modules())
    assign_rules(traced.graph, modules)
    note_last_uses(traced.graph)


def _name_opaque_operations(graph: fx.Graph, name: str) -> None:
    """Reshapes and concatenations aside: nothing inside them could be pruned."""
    opaque = [
        node.name
        for node in graph.nodes
        if node.meta["rule"] is ChannelRule.OPAQUE
        and node.meta["has_tensor"]
        and not is_reshape(node)
        and node.target is not torch.cat
    ]
    if opaque:
        logger.info("%s: opaque operations, never pruned inside: %s", name, ", ".join(opaque))


class _Annotator(fx.Interpreter):
    """Runs the graph once on fake inputs and notes what each node gives and costs."""

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        return args[0] if keeps_shape(module, args) else module(*args, **kwargs)

    def run_node(self, n: fx.Node) -> Any:
        with flop_counter() as counter:
            value = super().run_node(n)
        flops = int(counter.get_total_flops())
        shape = tuple(value.shape) if isinstance(value, Tensor) else None
        n.meta["batched_shape"] = shape
        n.meta["shape"] = None if shape is None else torch.Size(s // BATCH if s % BATCH == 0 else s for s in shape)
        n.meta["is_float"] = isinstance(value, Tensor) and value.is_floating_point()
        n.meta["has_tensor"] = any(isinstance(leaf, Tensor) for leaf in tree_leaves(value))
        # What is computed from parameters alone costs the same for any batch.
        n.meta["flops"] = flops // BATCH if flops % BATCH == 0 else flops
        return value


def _annotate(traced: fx.GraphModule, inputs: Sequence[Tensor], mode: FakeTensorMode, name: str) -> None:
    was_training = traced.training
    traced.eval()
    try:
        with mode, torch.no_grad():
            _Annotator(traced).run(*inputs)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UntraceableBackboneError(
            f"the traced graph of {name} does not run: {reason}",
            hint="Check that the backbone takes images of the study's size.",
        ) from error
    finally:
        traced.train(was_training)
    for node in traced.graph.nodes:
        if node.op == "get_attr" and any(size and size % BATCH == 0 for size in node.meta["batched_shape"] or ()):
            raise UntraceableBackboneError(
                f"{name} makes a tensor with one entry per image ({node.target}), which a trace cannot follow.",
                hint="Make it with expand or new_zeros of an input instead.",
            )


def note_last_uses(graph: fx.Graph) -> None:
    """``meta["last_uses"]``: the values nobody reads after this node, so that they can be freed."""
    seen: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        node.meta["last_uses"] = [source for source in node.all_input_nodes if source not in seen]
        seen.update(node.all_input_nodes)


def _avoid_in_place(module: nn.Module) -> None:
    """Several branches read one value, so no layer may overwrite its input."""
    for child in module.modules():
        if getattr(child, "inplace", False) is True:
            child.inplace = False  # type: ignore[assignment]


def _split_list_input(graph: fx.Graph, num_features: int) -> None:
    """One input per feature that is read, instead of one list."""
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
