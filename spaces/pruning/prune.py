"""Conversion of a gated network to a plain network of the same outputs, with only the layers that are read."""

from collections.abc import Container, Mapping

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels, tensor_operands
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.spaces.networks.live_channels import SHARED, Liveness, find_live_channels
from gatefront.spaces.pruning.channel_pool import ChannelPool
from gatefront.spaces.pruning.conv_merging import merge_layers
from gatefront.spaces.pruning.graph_builder import PlainGraphBuilder, Value
from gatefront.spaces.pruning.norm_folding import fold_norms
from gatefront.spaces.pruning.plain_network import PlainNetwork
from gatefront.spaces.pruning.shared_mix import emit_mix


def prune_network(network: InterroGateNetwork) -> PlainNetwork:
    """Return the network without gates, unread branches and unread channels, in evaluation mode.

    Its outputs equal the gated network's in evaluation mode up to rounding. Norms are folded into the convolutions
    before them.
    """
    plain = emit_network(network, PlainGraphBuilder())
    plain.eval()
    fold_norms(plain)
    merge_layers(plain)
    tidy(plain)
    return PlainNetwork(plain, network.architecture.task_names)


def emit_network(network: InterroGateNetwork, builder: PlainGraphBuilder) -> fx.GraphModule:
    """Emit what the network's gates leave, layer by layer: ``images -> one prediction per task``, a tuple."""
    features = _emit_encoder(network, builder)
    predictions = [_emit_head(network, builder, t, features[t]) for t in range(len(network.tasks))]
    builder.graph.output(tuple(predictions))
    return fx.GraphModule(builder.root, builder.graph, class_name="PlainNetwork")


def tidy(plain: fx.GraphModule) -> None:
    """Drop nodes, layers and tensors that nothing reads, and check the graph."""
    plain.graph.eliminate_dead_code()
    plain.delete_all_unused_submodules()
    read = {str(node.target) for node in plain.graph.nodes if node.op == "get_attr"}
    for name in [name for name in (*plain._parameters, *plain._buffers) if name not in read]:
        delattr(plain, name)
    plain.graph.lint()
    plain.recompile()


def _emit_encoder(network: InterroGateNetwork, builder: PlainGraphBuilder) -> list[dict[int, Value]]:
    """Emit the encoder and return the values that each head reads, ``[task][feature]``."""
    graph = network.shared_encoder.graph
    live = find_live_channels(graph, network.lifting.sites, network.gate_pattern(), network.readers)
    owners = network.branches()
    site_index = {site.node: index for index, site in enumerate(network.lifting.sites)}
    values: dict[tuple[fx.Node, int], Value] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            images = builder.images(network.architecture.in_channels)
            values.update({(node, b): images for b in range(len(owners))})
            continue
        if node.op == "output":
            returned = dict(enumerate(node.args[0]))
            return [
                {index: values[source, b] for index, source in returned.items() if (source, b) in values}
                for b in range(1, len(owners))
            ]
        for b, owner in enumerate(owners):
            if live.before[node, b].any():
                sources = {source: values[source, b] for source in node.all_input_nodes}
                name = f"{node.name}__{_branch_name(b)}"
                order = _order_to_meet(node, b, live.before[node, b], values, site_index)
                values[node, b] = builder.emit(node, name, owner, live.before[node, b], sources, order)
        if node in site_index:
            _emit_gate(network, builder, site_index[node], live, values)
    return []


def _emit_gate(
    network: InterroGateNetwork,
    builder: PlainGraphBuilder,
    index: int,
    live: Liveness,
    values: dict[tuple[fx.Node, int], Value],
) -> None:
    """Replace the branches' own values by the chosen ones, and the shared value by the mix."""
    site, gate = network.lifting.sites[index], network.channel_gates()[index]
    node, axis = site.node, site.channel_axis
    own, weight = gate.pattern(), gate.mixing_weights().detach().cpu()
    computed = {b: values[node, b] for b in range(len(own) + 1) if live.before[node, b].any()}
    pool = ChannelPool(builder, computed, axis, own.shape[1])
    for t in range(len(own)):
        read = live.after[node, t + 1].nonzero().flatten()
        if len(read):
            values[node, t + 1] = pool.choose(torch.where(own[t, read], t + 1, SHARED), read)
    read = live.after[node, SHARED]
    if read.any():
        tasks = gate.readers.nonzero().flatten().tolist()
        values[node, SHARED] = emit_mix(pool, own, weight, read, tasks=tasks, num_axes=len(node.meta["shape"]))


def _order_to_meet(
    node: fx.Node, b: int, live: Tensor, values: dict[tuple[fx.Node, int], Value], sites: Container[fx.Node]
) -> Tensor | None:
    """Return the channel order of the value to which the result of ``node`` will be added before the next gate.

    None means that there is no such value. A layer can give its channels in any order at no cost. The operands that
    meet it then need not be reordered.
    """
    while node not in sites and len(node.users) == 1:
        user = next(iter(node.users))
        if user.meta["rule"] is not ChannelRule.CHANNEL_WISE:
            break
        for operand in tensor_operands(user):
            value = values.get((operand, b))
            if operand is not node and value is not None and value.order is not None:
                return value.order[live[value.order]] if len(live) == num_channels(operand) else None
        node = user
    return None


def _branch_name(b: int) -> str:
    """Return the suffix of a branch's layers.

    No two suffixes agree behind their underscores, so that no two layers get one name.
    """
    return "shared" if b == SHARED else f"task{b - 1}"


def _emit_head(
    network: InterroGateNetwork, builder: PlainGraphBuilder, t: int, features: Mapping[int, Value]
) -> fx.Node:
    task = network.tasks[t].name
    head: nn.Module = network.heads[task]
    values: dict[fx.Node, Value] = {}
    for node in network.head_graphs[task].nodes:
        if node.op == "placeholder":
            values[node] = features[node.meta["feature_index"]]
        elif node.op == "output":
            return builder.in_natural_order(node.all_input_nodes[0], values[node.all_input_nodes[0]])
        else:
            live = torch.ones(num_channels(node) or 1, dtype=torch.bool)
            values[node] = builder.emit(node, f"{node.name}__head{t}", head, live, values)
    raise RuntimeError(f"the head of task {task!r} has no output")
