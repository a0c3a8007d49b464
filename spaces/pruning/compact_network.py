"""CompactNetwork: the channels that frozen gates leave, trained alone and then written back."""

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.graph.layer_slicing import restore_layer
from gatefront.spaces.graph.tied_tensors import tensors_of
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.spaces.pruning.graph_builder import LayerCut, PlainGraphBuilder
from gatefront.spaces.pruning.prune import emit_network, tidy


def compact_network(network: InterroGateNetwork) -> "CompactNetwork | None":
    """Return a trainable copy of ``network`` that holds only what its present gates leave.

    In training and in evaluation mode it computes what the gated network does, at the pruned network's cost. Mixing
    weights stay unchanged. The result is None if the backbone uses a weight at two places, by running a layer twice or
    by sharing it between layers. The two cuts of such a weight would drift apart. The network must be on the CPU.
    """
    if _ties_weights(network.shared_encoder):
        return None
    builder = PlainGraphBuilder(trainable=True)
    body = emit_network(network, builder)
    tidy(body)
    return CompactNetwork(network, body, builder)


class CompactNetwork(nn.Module):
    """Network ``images [batch, c, h, w] -> {task: prediction}`` that holds the live channels alone."""

    def __init__(self, network: InterroGateNetwork, body: fx.GraphModule, builder: PlainGraphBuilder) -> None:
        super().__init__()
        self.body = body
        self.task_names = network.architecture.task_names
        names = {name for name, _ in body.named_modules()}
        self._cuts = [cut for cut in builder.cuts if not isinstance(cut, LayerCut) or cut.name in names]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.task_names, self.body(images), strict=True))

    @torch.no_grad()
    def write_back(self) -> None:
        """Write weights and norm statistics back to their places in the gated network. The rest of it is unchanged."""
        tensors = self.body.state_dict()
        for cut in self._cuts:
            if isinstance(cut, LayerCut):
                restore_layer(cut.original, self.body.get_submodule(cut.name), cut.out, cut.source)
            elif cut.name in tensors:
                value = tensors[cut.name].to(cut.original.device)
                if cut.order is None:
                    cut.original.copy_(value)
                else:
                    cut.original.index_copy_(cut.axis, cut.order, value)


def _ties_weights(encoder: fx.GraphModule) -> bool:
    """Return True if a parameter, or a layer that keeps statistics, is used at two places."""
    used = [id(tensor) for node in encoder.graph.nodes for tensor in tensors_of(node, encoder)]
    return len(set(used)) < len(used)
