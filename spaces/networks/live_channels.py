"""Channels of each branch that the pruned network still computes, by a backward analysis over the lifted graph."""

from dataclasses import dataclass

import torch
from torch import Tensor, fx

from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels
from gatefront.spaces.networks.cost_model import GatePattern
from gatefront.spaces.networks.feature_readers import FeatureReaders
from gatefront.spaces.networks.lifting import Site

SHARED = 0
"""Index of the shared branch. Branch t + 1 is that of task t."""

BranchValue = tuple[fx.Node, int]


@dataclass(frozen=True, slots=True)
class Liveness:
    """Live channels of every node and branch.

    ``before[node, b]`` marks the channels that branch b computes. ``after[node, b]`` marks those read behind the node's
    gate. Without a gate both are the same. A value without channels has one flag.
    """

    before: dict[BranchValue, Tensor]
    after: dict[BranchValue, Tensor]


def find_live_channels(
    graph: fx.Graph, sites: tuple[Site, ...], pattern: GatePattern, readers: FeatureReaders
) -> Liveness:
    """Find the live channels by a backward walk from the features.

    Every task reads all channels of the features that go into its decoder.
    """
    num_branches = pattern[0].shape[0] + 1
    own_at = {site.node: own for site, own in zip(sites, pattern, strict=True)}
    after = {
        (node, b): torch.zeros(num_channels(node) or 1, dtype=torch.bool)
        for node in graph.nodes
        if node.op != "output"
        for b in range(num_branches)
    }
    before: dict[BranchValue, Tensor] = {}
    for node in reversed(graph.nodes):
        if node.op == "output":
            for t, features in enumerate(readers.features):
                for source in features:
                    after[source, t + 1].fill_(True)
            continue
        reads = torch.tensor(readers.of_node[node])[:, None]
        for b, live in enumerate(_behind_gate(node, own_at.get(node), reads, after)):
            before[node, b] = live
            if live.any():
                _mark_sources(node, b, live, after)
    return Liveness(before=before, after=after)


def _behind_gate(node: fx.Node, own: Tensor | None, reads: Tensor, after: dict[BranchValue, Tensor]) -> list[Tensor]:
    """Return the channels to compute before the gate, for every branch, from those that are read behind it.

    The mix reads ``s_t`` of all readers. A live channel of the shared stream therefore keeps every open reader's own
    channel alive, and the shared one as long as any reader is shut.
    """
    num_branches = len(reads) + 1
    read = [after[node, b] for b in range(num_branches)]
    if own is None:
        return read
    mixed = read[SHARED]
    shared = mixed & (~own & reads).any(dim=0)
    for t in range(num_branches - 1):
        shared = shared | (read[t + 1] & ~own[t])
    return [shared, *((read[t + 1] | mixed) & own[t] for t in range(num_branches - 1))]


def _mark_sources(node: fx.Node, b: int, live: Tensor, after: dict[BranchValue, Tensor]) -> None:
    rule = node.meta["rule"]
    if rule is ChannelRule.GROUP_WISE:
        size = node.meta["group_size"]
        live = live.view(-1, size).any(dim=1).repeat_interleave(size)
    by_channel = rule in (ChannelRule.CHANNEL_WISE, ChannelRule.GROUP_WISE, ChannelRule.PARAMETER)
    for source in node.all_input_nodes:
        if by_channel and node.meta["channel_axis"] is not None and len(after[source, b]) == len(live):
            after[source, b] |= live
        else:
            after[source, b].fill_(True)
