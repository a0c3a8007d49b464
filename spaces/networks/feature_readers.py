"""Tasks that read each value of a backbone. Decoders need not read the same features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import fx
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True, slots=True)
class FeatureReaders:
    """Readers of each node of a backbone's graph, and the features that each decoder reads.

    ``of_node[node][t]`` is True if the predictions of task ``t`` depend on the node, in task order. ``features[t]`` are
    the nodes whose values go into its decoder. A node that reads another one has no readers beyond those of that one,
    so readers only become fewer along a path.
    """

    of_node: Mapping[fx.Node, tuple[bool, ...]]
    features: tuple[frozenset[fx.Node], ...]


def find_readers(encoder: fx.Graph, heads: Sequence[fx.Graph]) -> FeatureReaders:
    """Follow every task's decoder back through the backbone.

    Args:
        encoder: the lifted graph.
        heads: the graph of every task's decoder, whose inputs are named by ``meta["feature_index"]``.
    """
    returned = list(tree_leaves(next(node for node in reversed(encoder.nodes) if node.op == "output").args[0]))
    features = [
        frozenset(returned[node.meta["feature_index"]] for node in head.nodes if node.op == "placeholder")
        for head in heads
    ]
    read = [with_sources(nodes) for nodes in features]
    of_node = {node: tuple(node in nodes for nodes in read) for node in encoder.nodes if node.op != "output"}
    return FeatureReaders(of_node=of_node, features=tuple(features))


def with_sources(nodes: frozenset[fx.Node]) -> set[fx.Node]:
    """Return the nodes and all nodes that their values are computed from."""
    found: set[fx.Node] = set()
    left = list(nodes)
    while left:
        node = left.pop()
        if node not in found:
            found.add(node)
            left.extend(node.all_input_nodes)
    return found
