"""Folding of norms into the convolutions before them."""

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(plain: fx.GraphModule) -> None:
    """Replace every convolution that only a norm of fixed statistics follows by one convolution, in place."""
    modules = dict(plain.named_modules())
    for node in list(plain.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[str(node.target)], nn.BatchNorm2d):
            continue
        source = node.all_input_nodes[0]
        if source.op != "call_module" or len(source.users) > 1:
            continue
        convolution, norm = modules[str(source.target)], modules[str(node.target)]
        # A norm without running statistics takes those of the images: it has no fixed weights to fold.
        if type(convolution) is nn.Conv2d and norm.running_mean is not None:
            plain.set_submodule(str(source.target), fuse_conv_bn_eval(convolution, norm))
            node.replace_all_uses_with(source)
            plain.graph.erase_node(node)
