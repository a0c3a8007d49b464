"""CompactNetwork: the channels that frozen gates leave, trained alone and written back."""

import torch
from torch import Tensor, fx, nn

from spaces.channels import ChannelRule
from spaces.emission import LayerCut, PlainGraphBuilder
from spaces.interrogate import InterroGateNetwork
from spaces.pruning import emit_network, tidy
from spaces.slicing import restore_layer


def compact_network(network: InterroGateNetwork) -> "CompactNetwork | None":
    """A trainable copy of what the present gates leave of ``network``.

    In training mode and in evaluation mode it computes what the gated network does, at the pruned network's
    cost. Mixing weights stay what they are. None for a backbone that runs one layer with weights twice: the
    two cuts of that layer would drift apart. The network must be on the CPU.
    """
    if _ties_weights(network.shared_encoder):
        return None
    builder = PlainGraphBuilder(trainable=True)
    body = emit_network(network, builder)
    tidy(body)
    return CompactNetwork(network, body, builder)


class CompactNetwork(nn.Module):
    """``images [batch, c, h, w] -> {task: prediction}``, holding the live channels alone."""

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
        """Put weights and norm statistics where they came from in the gated network; the rest of it stays."""
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
    """True if a layer or tensor with weights is run at two places."""
    seen: set[str] = set()
    for node in encoder.graph.nodes:
        is_layer = node.op == "call_module" and any(True for _ in encoder.get_submodule(str(node.target)).parameters())
        if is_layer or (node.meta["rule"] is ChannelRule.PARAMETER and node.op == "get_attr"):
            if str(node.target) in seen:
                return True
            seen.add(str(node.target))
    return False
