"""From a module to a graph whose nodes know their shape, their channel rule and their FLOPs."""

import logging
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from spaces.channels import RESHAPING_MODULES, ChannelRule, channel_rule
from spaces.errors import UntraceableBackboneError

logger = logging.getLogger(__name__)


def trace_network(module: nn.Module, inputs: Sequence[Tensor], *, name: str) -> fx.GraphModule:
    """Trace ``module`` and annotate every node: ``meta["shape"]``, ``meta["flops"]``, ``meta["rule"]``.

    ``inputs`` are example inputs of batch 1, so FLOPs are those of one image. ``name`` is what messages call
    the module. Operations that are no torch layer and cannot be traced into stay whole, as opaque nodes,
    and are named in one log line.

    Raises:
        UntraceableBackboneError: the module's own forward cannot be traced, or the traced graph cannot run.
    """
    _avoid_in_place(module)
    tracer = _LenientTracer()
    try:
        graph = tracer.trace(module)
    except (TraceError, TypeError, AttributeError, RuntimeError) as error:
        raise UntraceableBackboneError(
            f"{name} cannot be traced by torch.fx: {error}",
            hint="Use a backbone without data-dependent control flow.",
        ) from error
    traced = fx.GraphModule(module, graph)
    _canonicalise(graph)
    graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.recompile()
    _annotate(traced, inputs, name)
    return traced


class _LenientTracer(fx.Tracer):
    """Traces into everything but torch's own layers; a submodule that resists becomes one node."""

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except TraceError as error:
            path = self.path_of_module(m)
            logger.info("%s (%s) is kept whole: %s", path, type(m).__name__, error)
            return self.create_proxy("call_module", path, args, kwargs)


class _Annotator(fx.Interpreter):
    """Runs the graph once on real inputs and notes what each node gave and cost."""

    def run_node(self, n: fx.Node) -> Any:
        with FlopCounterMode(display=False) as counter:
            value = super().run_node(n)
        n.meta["shape"] = value.shape if isinstance(value, Tensor) else None
        n.meta["is_float"] = isinstance(value, Tensor) and value.is_floating_point()
        n.meta["has_tensor"] = any(isinstance(leaf, Tensor) for leaf in tree_leaves(value))
        n.meta["flops"] = counter.get_total_flops()
        return value


def _annotate(traced: fx.GraphModule, inputs: Sequence[Tensor], name: str) -> None:
    was_training = traced.training
    traced.eval()
    try:
        with torch.no_grad():
            _Annotator(traced).run(*inputs)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UntraceableBackboneError(
            f"the traced graph of {name} does not run: {reason}",
            hint="Check that the backbone takes images of the study's size.",
        ) from error
    finally:
        traced.train(was_training)
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        node.meta["rule"] = channel_rule(node, modules)
    _note_last_uses(traced.graph)
    opaque = [
        node.name
        for node in traced.graph.nodes
        if node.meta["rule"] is ChannelRule.OPAQUE and type(modules.get(str(node.target))) not in RESHAPING_MODULES
    ]
    if opaque:
        logger.info("%s: opaque operations, never pruned inside: %s", name, ", ".join(opaque))


def _note_last_uses(graph: fx.Graph) -> None:
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


_OUT_OF_PLACE = {operator.iadd: operator.add, operator.imul: operator.mul, operator.isub: operator.sub}


def _canonicalise(graph: fx.Graph) -> None:
    """Spell in-place functions and methods as their out-of-place twins."""
    for node in graph.nodes:
        if node.op == "call_function":
            node.target = _OUT_OF_PLACE.get(node.target, node.target)
            if node.kwargs.get("inplace") is True:
                node.kwargs = {**node.kwargs, "inplace": False}
        elif node.op == "call_method" and node.target.endswith("_") and not node.target.endswith("__"):
            node.target = node.target.removesuffix("_")


def trace_head(head: nn.Module, features: Sequence[Tensor], *, name: str) -> fx.GraphModule:
    """Trace a head ``features (list) -> prediction`` into a graph with one input per feature it reads.

    Each input node's ``meta["feature_index"]`` says which of the backbone's features it is.
    """
    _avoid_in_place(head)
    graph = _LenientTracer().trace(head)
    whole_list = next(node for node in graph.nodes if node.op == "placeholder")
    inputs: dict[int, fx.Node] = {}
    for node in [n for n in whole_list.users if n.target is operator.getitem]:
        index = int(node.args[1]) % len(features)
        if index not in inputs:
            with graph.inserting_before(whole_list):
                inputs[index] = graph.placeholder(f"feature_{index}")
            inputs[index].meta["feature_index"] = index
        node.replace_all_uses_with(inputs[index])
        graph.erase_node(node)
    graph.erase_node(whole_list)
    _canonicalise(graph)
    traced = fx.GraphModule(head, graph)
    _annotate(traced, [features[n.meta["feature_index"]] for n in graph.nodes if n.op == "placeholder"], name)
    return traced
