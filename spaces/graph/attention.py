"""Attention as one layer without projections, with heads that gates can choose and pruning can leave out."""

import copy
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HeadAttention(nn.Module):
    """Attention ``softmax(q kᵀ · scale) v`` in every head.

    q is ``[b, n, heads * head_dim]``, and k and v are ``[b, m, heads * head_dim]``. Head h reads and writes the
    channels ``h * head_dim`` to ``(h + 1) * head_dim`` alone. The projections around it are separate linear layers. It
    holds no parameters. ``scale`` defaults to ``head_dim ** -0.5``.
    """

    def __init__(self, num_heads: int, head_dim: int, *, scale: float | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.scale = head_dim**-0.5 if scale is None else scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        heads = F.scaled_dot_product_attention(self._split(q), self._split(k), self._split(v), scale=self.scale)
        return heads.transpose(1, 2).flatten(2)

    def select_heads(self, heads: Tensor) -> Self:
        """Return a copy with the heads of these indices only, in this order."""
        selected = copy.deepcopy(self)
        selected.num_heads = len(heads)
        return selected

    def _split(self, tokens: Tensor) -> Tensor:
        """Return ``[b, heads, n, head_dim]`` from ``[b, n, heads * head_dim]``."""
        return torch.unflatten(tokens, 2, (self.num_heads, self.head_dim)).transpose(1, 2)

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}, head_dim={self.head_dim}"


class WindowHeadAttention(HeadAttention):
    """Attention inside windows of ``window_size`` tokens, with a learned bias per relative position and head.

    It reads ``[b * windows, n, heads * head_dim]``. With shifted windows, ``num_windows`` is the number of windows of
    an image, and ``shift_mask [num_windows, n, n]`` is added in all heads. The mask hides tokens from each other that
    only the cyclic shift made neighbors.
    """

    relative_position_index: Tensor
    shift_mask: Tensor | None

    def __init__(
        self,
        num_heads: int,
        head_dim: int,
        *,
        window_size: tuple[int, int],
        num_windows: int = 0,
        scale: float | None = None,
    ) -> None:
        super().__init__(num_heads, head_dim, scale=scale)
        self.window_size = window_size
        self.num_windows = num_windows
        height, width = window_size
        area = height * width
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * height - 1) * (2 * width - 1), num_heads))
        self.register_buffer("relative_position_index", _relative_position_index(height, width), persistent=False)
        self.register_buffer("shift_mask", torch.zeros(num_windows, area, area) if num_windows else None)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if self.shift_mask is not None:
            bias = bias + self.shift_mask.unsqueeze(1)
        q, k, v = (self._split_windows(tokens) for tokens in (q, k, v))
        heads = attend(q, k, v, bias, scale=self.scale)
        return heads.transpose(2, 3).flatten(3).flatten(0, 1)

    def select_heads(self, heads: Tensor) -> Self:
        selected = super().select_heads(heads)
        table = self.relative_position_bias_table.detach()[:, heads.to(self.relative_position_bias_table.device)]
        selected.relative_position_bias_table = nn.Parameter(table.clone())
        return selected

    def _split_windows(self, tokens: Tensor) -> Tensor:
        """Return ``[b, windows, heads, n, head_dim]`` from ``[b * windows, n, heads * head_dim]``."""
        windows = torch.unflatten(tokens, 0, (-1, max(1, self.num_windows)))
        return torch.unflatten(windows, 3, (self.num_heads, self.head_dim)).transpose(2, 3)


def _relative_position_index(height: int, width: int) -> Tensor:
    """Return ``[n, n]``: the row of the bias table for each pair of tokens of a window."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    row_offset = rows[:, None] - rows[None, :] + height - 1
    column_offset = columns[:, None] - columns[None, :] + width - 1
    return row_offset * (2 * width - 1) + column_offset


def attend(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *more: Any, **options: Any
) -> Tensor:
    """Attend as :func:`torch.nn.functional.scaled_dot_product_attention`, with all leading axes in one.

    torch's ONNX exporter takes attention of four axes only.
    """
    if query.dim() == 4:
        return F.scaled_dot_product_attention(query, key, value, attn_mask, *more, **options)
    leading = query.shape[:-3]
    mask = attn_mask
    if mask is not None and mask.dim() > 3:
        mask = _in_four_axes(mask.expand(*leading, *mask.shape[-3:]))
    found = F.scaled_dot_product_attention(
        _in_four_axes(query), _in_four_axes(key), _in_four_axes(value), mask, *more, **options
    )
    return found.reshape(*query.shape[:-1], value.shape[-1])


def _in_four_axes(tensor: Tensor) -> Tensor:
    shape = tensor.shape[-3:] if tensor.dim() > 2 else (1, *tensor.shape)
    return tensor.reshape(-1, *shape)
