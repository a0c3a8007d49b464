"""Attention for torch's ONNX exporter, which takes inputs of four axes only."""

import copy
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx

from gatefront.spaces import PlainNetwork


def attend_in_four_axes(network: PlainNetwork) -> PlainNetwork:
    """Return a network of the same layers whose attention reads and gives four axes; itself if it has no attention.

    Attention of local windows often has five: images, windows, heads, tokens and channels.
    """
    if not any(node.target is F.scaled_dot_product_attention for node in network.body.graph.nodes):
        return network
    graph = copy.deepcopy(network.body.graph)
    for node in graph.nodes:
        if node.target is F.scaled_dot_product_attention:
            node.target = _attend
    return PlainNetwork(fx.GraphModule(network.body, graph), network.task_names)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *more: Any, **options: Any
) -> Tensor:
    """Attend as :func:`torch.nn.functional.scaled_dot_product_attention`, with all leading axes in one."""
    if query.dim() == 4:
        return F.scaled_dot_product_attention(query, key, value, attn_mask, *more, **options)
    leading = query.shape[:-3]
    mask = attn_mask
    if mask is not None and mask.dim() > 3:
        mask = _in_four_axes(mask.expand(*leading, *mask.shape[-3:]))
    query_in_four, key, given_value = _in_four_axes(query), _in_four_axes(key), _in_four_axes(value)
    found = F.scaled_dot_product_attention(query_in_four, key, given_value, mask, *more, **options)
    return found.reshape(*query.shape[:-1], value.shape[-1])


def _in_four_axes(tensor: Tensor) -> Tensor:
    shape = tensor.shape[-3:] if tensor.dim() > 2 else (1, *tensor.shape)
    return tensor.reshape(-1, *shape)
