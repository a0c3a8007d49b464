"""From a gated network to the plain network it stands for: same outputs, only the layers that are read."""

import torch
from torch import fx, nn

from spaces.channels import num_channels
from spaces.emission import PlainGraphBuilder, Value
from spaces.encoder import feature_shapes
from spaces.folding import fold_norms
from spaces.interrogate import InterroGateNetwork
from spaces.liveness import SHARED, Liveness, find_live_channels
from spaces.mixing import emit_mix
from spaces.plain_network import PlainNetwork
from spaces.tracing import trace_head


def prune_network(network: InterroGateNetwork) -> PlainNetwork:
    """The network without gates, branches nobody reads and channels nobody chose, in evaluation mode.

    Its outputs equal the gated network's in evaluation mode up to rounding. Norms are folded into the
    convolutions before them.
    """
    plain = emit_network(network, PlainGraphBuilder())
    plain.eval()
    fold_norms(plain)
    tidy(plain)
    return PlainNetwork(plain, network.architecture.task_names)


def emit_network(network: InterroGateNetwork, builder: PlainGraphBuilder) -> fx.GraphModule:
    """What the network's gates leave of it, layer by layer: ``images -> one prediction per task``, a tuple."""
    features = _emit_encoder(network, builder)
    predictions = [
        _emit_head(network, builder, task, features[t]) for t, task in enumerate(network.architecture.task_names)
    ]
    builder.graph.output(tuple(predictions))
    return fx.GraphModule(builder.root, builder.graph, class_name="PlainNetwork")


def tidy(plain: fx.GraphModule) -> None:
    """Drop what nothing reads, and check the graph."""
    plain.graph.eliminate_dead_code()
    plain.delete_all_unused_submodules()
    plain.graph.lint()
    plain.recompile()


def _emit_encoder(network: InterroGateNetwork, builder: PlainGraphBuilder) -> list[list[Value]]:
    """``[task][feature]``: what each head reads."""
    graph = network.shared_encoder.graph
    live = find_live_channels(graph, network.lifting.sites, network.gate_pattern())
    owners = network.branches()
    site_index = {site.node: index for index, site in enumerate(network.lifting.sites)}
    values: dict[tuple[fx.Node, int], Value] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            images = builder.images(network.architecture.in_channels)
            values.update({(node, b): images for b in range(len(owners))})
            continue
        if node.op == "output":
            return [[values[source, b] for source in node.args[0]] for b in range(1, len(owners))]
        for b, owner in enumerate(owners):
            if live.before[node, b].any():
                sources = {source: values[source, b] for source in node.all_input_nodes}
                name = f"{node.name}__{_branch_name(network, b)}"
                values[node, b] = builder.emit(node, name, owner, live.before[node, b], sources)
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
    own, weight = gate.pattern(), torch.softmax(gate.beta.detach().cpu(), dim=0)
    computed = {b: values[node, b] for b in range(len(own) + 1) if live.before[node, b].any()}
    for t in range(len(own)):
        read = live.after[node, t + 1]
        if read.any():
            parts = [(t + 1, read & own[t]), (SHARED, read & ~own[t])]
            chosen = [builder.restrict(computed[b], mask, axis) for b, mask in parts if mask.any()]
            values[node, t + 1] = builder.concatenate(chosen, axis)
    read = live.after[node, SHARED]
    if read.any():
        if (read & own.any(dim=0)).any():
            values[node, SHARED] = emit_mix(builder, computed, own, weight, read, len(node.meta["shape"]), axis)
        else:
            values[node, SHARED] = builder.restrict(computed[SHARED], read, axis)


def _branch_name(network: InterroGateNetwork, b: int) -> str:
    return "shared" if b == SHARED else network.architecture.task_names[b - 1]


def _emit_head(network: InterroGateNetwork, builder: PlainGraphBuilder, task: str, features: list[Value]) -> fx.Node:
    head: nn.Module = network.heads[task]
    traced = trace_head(head, feature_shapes(network.shared_encoder), name=f"decoder {task}")
    values: dict[fx.Node, Value] = {}
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            values[node] = features[node.meta["feature_index"]]
        elif node.op == "output":
            return builder.in_natural_order(node.all_input_nodes[0], values[node.all_input_nodes[0]])
        else:
            live = torch.ones(num_channels(node) or 1, dtype=torch.bool)
            values[node] = builder.emit(node, f"{task}__{node.name}", traced, live, values)
    raise RuntimeError(f"the head of {task} has no output")
