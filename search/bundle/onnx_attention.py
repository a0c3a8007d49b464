"""Attention for torch's ONNX exporter, which takes inputs of four axes only."""

import copy

import torch.nn.functional as F
from torch import fx

from gatefront.spaces import PlainNetwork
from gatefront.spaces.graph.attention import attend


def attend_in_four_axes(network: PlainNetwork) -> PlainNetwork:
    """Return a network of the same layers whose attention reads and gives four axes; itself if it has no attention.

    Attention of local windows often has five: images, windows, heads, tokens and channels.
    """
    if not any(node.target is F.scaled_dot_product_attention for node in network.body.graph.nodes):
        return network
    graph = copy.deepcopy(network.body.graph)
    for node in graph.nodes:
        if node.target is F.scaled_dot_product_attention:
            node.target = attend
    return PlainNetwork(fx.GraphModule(network.body, graph), network.task_names)
