"""The shared stream's mix in the pruned network: weighted sums of only the channels that have several sources."""

import functools
import operator

import torch
from torch import Tensor, fx

from spaces.channel_pool import ChannelPool
from spaces.emission import Value


def emit_mix(pool: ChannelPool, own: Tensor, weight: Tensor, read: Tensor, num_axes: int) -> Value:
    """``m = sum_t w_t s_t`` of the channels ``read``, from what the branches computed before the gate.

    Shut tasks all contribute the shared channel, so its weight is the sum of theirs; every open task
    contributes its own channel. A channel of which all tasks are shut is passed on as it is. Channels with
    equally many contributors are summed together. ``own`` and ``weight`` are ``[tasks, channels]``.
    """
    count = (~own.all(dim=0)).int() + own.sum(dim=0)
    blocks: list[Value] = []
    for depth in sorted(set(count[read].tolist()), reverse=True):
        channels = (read & (count == depth)).nonzero().flatten()
        branches, factors = _contributors(own[:, channels], weight[:, channels], depth)
        if depth == 1:
            blocks.append(pool.choose(branches[0], channels))
        else:
            blocks.append(Value(_weighted_sum(pool, branches, factors, channels, num_axes), channels))
    return pool.builder.concatenate(blocks, pool.axis)


def _weighted_sum(pool: ChannelPool, branches: Tensor, factors: Tensor, channels: Tensor, num_axes: int) -> fx.Node:
    builder = pool.builder
    shape = [1] * num_axes
    shape[pool.axis] = len(channels)
    terms = [
        builder.call(operator.mul, pool.take(branch, channels).node, builder.constant(factor.reshape(shape)))
        for branch, factor in zip(branches, factors, strict=True)
    ]
    return functools.reduce(lambda total, term: builder.call(operator.add, total, term), terms)


def _contributors(own: Tensor, weight: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """``[depth, channels]`` twice: the branches that contribute to every channel, and their weights."""
    present = torch.cat([~own.all(dim=0, keepdim=True), own])
    factor = torch.cat([(weight * ~own).sum(dim=0, keepdim=True), weight])
    branches = (~present).to(torch.int8).sort(dim=0, stable=True).indices[:depth]
    return branches, factor.gather(0, branches)
