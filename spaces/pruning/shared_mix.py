"""Mix of the shared stream in the pruned network: a weighted sum of the tasks' choices."""

import functools
import operator
from collections.abc import Sequence

import torch
from torch import Tensor

from gatefront.spaces.networks.live_channels import SHARED
from gatefront.spaces.pruning.channel_pool import ChannelPool
from gatefront.spaces.pruning.graph_builder import Value

_ALL_FROM = 0.5
"""Fraction of channels that need mixing above which all are mixed.

The sum then reads the tasks' selections unchanged.
"""


def emit_mix(
    pool: ChannelPool, own: Tensor, weight: Tensor, read: Tensor, *, tasks: Sequence[int], num_axes: int
) -> Value:
    """Emit ``m = sum_t w_t s_t`` of the channels ``read`` over ``tasks``, from the branches' values before the gate.

    Where all tasks are shut, all weights, which sum to one, apply to the shared channel. It is passed on unchanged,
    unless such channels are few. ``own`` and ``weight`` are ``[tasks, channels]``.
    """
    mixed = read & own.any(dim=0)
    if mixed.sum() > _ALL_FROM * read.sum():
        mixed = read
    blocks: list[Value] = []
    if mixed.any():
        blocks.append(_weighted_sum(pool, own, weight, mixed.nonzero().flatten(), tasks, num_axes))
    passed = (read & ~mixed).nonzero().flatten()
    if len(passed):
        blocks.append(pool.choose(torch.full_like(passed, SHARED), passed))
    return pool.builder.concatenate(blocks, pool.axis)


def _weighted_sum(
    pool: ChannelPool, own: Tensor, weight: Tensor, channels: Tensor, tasks: Sequence[int], num_axes: int
) -> Value:
    builder = pool.builder
    shape = [1] * num_axes
    shape[pool.axis] = len(channels)
    terms = []
    for t in tasks:
        factor = weight[t, channels]
        chosen = pool.take(torch.where(own[t, channels], t + 1, SHARED), channels)
        terms.append(builder.call(operator.mul, chosen.node, builder.constant(factor.reshape(shape))))
    return Value(functools.reduce(lambda total, term: builder.call(operator.add, total, term), terms), channels)
