"""Hard-sharing family: one encoder that all tasks read."""

from collections.abc import Mapping

from torch import Tensor, fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.families.network import FamilyNetwork, build_parts, part_of_state
from gatefront.spaces.families.side_by_side import copy_node

SHARED = "shared"


class HardSharingNetwork(FamilyNetwork):
    """Network equal to :class:`gatefront.spaces.networks.shared_network.SharedNetwork`, in the form of a family."""

    def load_references(
        self, single_task: Mapping[str, Mapping[str, Tensor]], hard_sharing: Mapping[str, Tensor] | None
    ) -> None:
        """Load a hard-sharing network if one is given.

        Without it nothing is loaded, because this family is one itself.
        """
        if hard_sharing is not None:
            load_hard_sharing(self, hard_sharing)


def build_hard_sharing(architecture: Architecture) -> HardSharingNetwork:
    """Build one encoder for all tasks.

    Raises:
        SpaceError: the backbone cannot be built.
    """
    encoder, heads = build_parts(architecture)
    return HardSharingNetwork(architecture, _share(encoder, len(architecture.tasks)), heads)


def load_hard_sharing(network: FamilyNetwork, state: Mapping[str, Tensor]) -> None:
    """Load the encoder, which the family keeps below ``shared``, and all decoders."""
    network.encoder.get_submodule(SHARED).load_state_dict(part_of_state(state, "encoder."))
    network.heads.load_state_dict(part_of_state(state, "heads."))


def _share(encoder: fx.GraphModule, num_tasks: int) -> fx.GraphModule:
    root, graph = nn.Module(), fx.Graph()
    root.add_module(SHARED, encoder)
    known: dict[fx.Node, fx.Node] = {}
    for node in encoder.graph.nodes:
        if node.op == "output":
            graph.output(tuple([fx.node.map_arg(node.args[0], known.__getitem__)] * num_tasks))
        else:
            known[node] = copy_node(graph, node, known, SHARED)
    return fx.GraphModule(root, graph)
