"""Weights of a layer, grouped by the input channel that they read, for group sparsity."""

from torch import Tensor, nn

SparseLayer = nn.Conv2d | nn.Linear


def to_rows(values: Tensor, layer: SparseLayer) -> Tensor:
    """Return ``[input channels, weights that read one]`` from values in the form of the layer's weight."""
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    out_channels, in_channels = values.shape[:2]
    parts = values.reshape(groups, out_channels // groups, in_channels, -1)
    return parts.transpose(1, 2).reshape(groups * in_channels, -1)


def from_rows(rows: Tensor, layer: SparseLayer) -> Tensor:
    """Invert :func:`to_rows`."""
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    out_channels, in_channels = layer.weight.shape[:2]
    parts = rows.reshape(groups, in_channels, out_channels // groups, -1)
    return parts.transpose(1, 2).reshape(layer.weight.shape)


def count_groups(layer: SparseLayer) -> tuple[int, int]:
    """Return the number of input channels that the layer reads with a nonzero weight, and the number of all."""
    rows = to_rows(layer.weight.detach(), layer)
    return int((rows != 0).any(dim=1).sum()), rows.shape[0]
