"""The shared stream's mix in the pruned network, as few weighted selections as there are contributors."""

import operator

import torch
from torch import Tensor, fx

from spaces.emission import PlainGraphBuilder, Value


def emit_mix(
    builder: PlainGraphBuilder,
    computed: dict[int, Value],
    own: Tensor,
    weight: Tensor,
    read: Tensor,
    num_axes: int,
    axis: int,
) -> Value:
    """``m = sum_t w_t s_t`` of the channels ``read``, from what each branch ``computed`` before the gate.

    Shut tasks all contribute the shared channel, so its weight is the sum of theirs; every open task
    contributes its own channel. ``own`` and ``weight`` are ``[tasks, channels]``.
    """
    order = read.nonzero().flatten()
    branches = sorted(computed)
    pool = builder.concatenate([computed[b] for b in branches], axis)
    where, factor = _contributions(own[:, order], weight[:, order], _positions(computed, branches, own.shape)[:, order])
    shape = [1] * num_axes
    shape[axis] = len(order)
    total: fx.Node | None = None
    for k in range(len(where)):
        part = builder.call(torch.index_select, pool.node, axis, builder.constant(where[k].clone()))
        if not bool((factor[k] == 1).all()):
            part = builder.call(operator.mul, part, builder.constant(factor[k].view(shape).clone()))
        total = part if total is None else builder.call(operator.add, total, part)
    if total is None:
        raise RuntimeError("a mix without contributors was asked for")
    return Value(total, order)


def _positions(computed: dict[int, Value], branches: list[int], own_shape: torch.Size) -> Tensor:
    """``[1 + tasks, channels]``: where in the concatenation each branch's channel stands, -1 if not computed."""
    positions = torch.full((own_shape[0] + 1, own_shape[1]), -1)
    offset = 0
    for b in branches:
        channels = computed[b].order
        if channels is not None:
            positions[b, channels] = offset + torch.arange(len(channels))
            offset += len(channels)
    return positions


def _contributions(own: Tensor, weight: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """``[depth, channels]`` twice: the k-th contributor of every channel and its weight, 0 if it has fewer."""
    shut_weight = (weight * ~own).sum(dim=0)
    # With all tasks shut the weights add up to one only within rounding; the channel is passed on as it is.
    shut_weight = torch.where(own.any(dim=0), shut_weight, torch.ones_like(shut_weight))
    present = torch.cat([~own.all(dim=0, keepdim=True), own])
    factor = torch.cat([shut_weight[None], weight])
    first = (~present).to(torch.int8).sort(dim=0, stable=True).indices
    depth = int(present.sum(dim=0).max())
    rows = first[:depth]
    chosen = present.gather(0, rows)
    where = positions.gather(0, torch.where(chosen, rows, first[:1].expand_as(rows)))
    return where, torch.where(chosen, factor.gather(0, rows), torch.zeros(()))
