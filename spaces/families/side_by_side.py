"""Copies of an encoder, one per task, side by side in one graph, with units between them."""

import copy
import operator
from collections.abc import Mapping, Sequence

from torch import Tensor, fx, nn

from gatefront.spaces.families.network import PER_TASK, FamilyNetwork, part_of_state, state_of_task
from gatefront.spaces.networks.task_modules import TaskModules, position_keys, with_positions

_UNITS = "units"


def join_encoders(
    encoder: fx.GraphModule, task_names: Sequence[str], units: Mapping[str, nn.Module] | None = None
) -> fx.GraphModule:
    """Return ``images -> (features of task 1, .., features of task T)``, every task with a copy of ``encoder``.

    ``units`` maps names of nodes to modules ``x_1, .., x_T -> x_1', .., x_T'``. A unit follows its node, and every copy
    continues with the unit's results. Weights are below ``tasks.<position>`` and ``units.<node>``.
    """
    units = units or {}
    root, graph = nn.Module(), fx.Graph()
    root.add_module(PER_TASK, TaskModules(task_names, {name: copy.deepcopy(encoder) for name in task_names}))
    keys = position_keys(task_names).values()
    root.add_module(_UNITS, nn.ModuleDict({_unit_key(node): unit for node, unit in units.items()}))
    known: list[dict[fx.Node, fx.Node]] = [{} for _ in task_names]
    for node in encoder.graph.nodes:
        if node.op == "output":
            graph.output(tuple(fx.node.map_arg(node.args[0], own.__getitem__) for own in known))
            break
        if node.op == "placeholder":
            images = graph.node_copy(node)
            values = [images] * len(known)
        else:
            values = [copy_node(graph, node, own, f"{PER_TASK}.{key}") for key, own in zip(keys, known, strict=True)]
        if node.name in units:
            mixed = graph.call_module(f"{_UNITS}.{_unit_key(node.name)}", tuple(values))
            values = [graph.call_function(operator.getitem, (mixed, t)) for t in range(len(values))]
        for own, value in zip(known, values, strict=True):
            own[node] = value
    return fx.GraphModule(root, graph)


def _unit_key(node: str) -> str:
    """Return the key of a unit, which is its node's name.

    A name that is an attribute of every module (``half``, ``to``) gets a leading digit, which no node's name has.
    """
    return f"0_{node}" if hasattr(nn.ModuleDict, node) else node


def copy_node(graph: fx.Graph, node: fx.Node, known: Mapping[fx.Node, fx.Node], prefix: str) -> fx.Node:
    """Copy ``node`` onto the inputs that ``known`` has for its own. Its layer or parameter is below ``prefix``."""
    copied = graph.node_copy(node, known.__getitem__)
    if node.op in ("call_module", "get_attr"):
        copied.target = f"{prefix}.{node.target}"
    return copied


def load_single_task(network: FamilyNetwork, single_task: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Load every task's encoder and decoder from its single-task network.

    Raises:
        SpaceError: a task has none.
    """
    for name, key in position_keys(network.task_names).items():
        state = with_positions(state_of_task(single_task, name), "heads.", network.task_names)
        network.encoder.get_submodule(f"{PER_TASK}.{key}").load_state_dict(part_of_state(state, "encoder."))
        network.heads[name].load_state_dict(part_of_state(state, f"heads.{key}."))
