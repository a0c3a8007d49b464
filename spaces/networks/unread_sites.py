"""Gates whose channels a task never reads: the cost of a gate would depend on gates behind it."""

from collections.abc import Mapping

from torch import fx
from torch.utils._pytree import tree_leaves

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.networks.lifting import Lifting


def require_sites_read_by_all(encoder: fx.Graph, lifting: Lifting, heads: Mapping[str, fx.Graph]) -> None:
    """Refuse layers that cost something and lead to no feature that some task's decoder reads.

    Args:
        encoder: the lifted graph.
        lifting: its gate sites.
        heads: the decoder's graph of every task.

    Raises:
        SpaceError: there is such a layer; it is named with the task.
    """
    features = list(tree_leaves(next(node for node in reversed(encoder.nodes) if node.op == "output").args[0]))
    whole = {index for cost in lifting.whole_costs for index in cost.sites}
    costly = [site.node for index, site in enumerate(lifting.sites) if site.channel_flops or index in whole]
    for task, head in heads.items():
        indices = [node.meta["feature_index"] for node in head.nodes if node.op == "placeholder"]
        read = _with_sources([features[index] for index in indices])
        if unread := [_in_words(node, features) for node in costly if node not in read]:
            raise SpaceError(
                f"task {task} reads nothing that depends on {', '.join(unread[:3])}"
                f"{', ...' if len(unread) > 3 else ''}, so that the cost of gates there could not be told exactly.",
                hint="Return the feature last that depends on all layers (classification reads it alone), or study "
                "these tasks apart.",
            )


def _in_words(node: fx.Node, features: list[fx.Node]) -> str:
    return f"feature {features.index(node) + 1} of the backbone" if node in features else node.name


def _with_sources(nodes: list[fx.Node]) -> set[fx.Node]:
    found: set[fx.Node] = set()
    while nodes:
        node = nodes.pop()
        if node not in found:
            found.add(node)
            nodes.extend(node.all_input_nodes)
    return found
