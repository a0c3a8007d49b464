"""MTAN: one shared backbone, from whose stages every task reads through its own masks.

Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention" (arXiv 1803.10704). The paper gives no details
for residual backbones. They follow the public code of Vandenhende et al., "Multi-Task Learning for Dense Prediction
Tasks: A Survey", whose cost is the published one.
"""

import operator
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.hard_sharing import SHARED, load_hard_sharing
from gatefront.spaces.families.mtan_layers import AttentionMask, Refinement, pool_to
from gatefront.spaces.families.network import MASKS, FamilyNetwork, build_parts
from gatefront.spaces.families.side_by_side import copy_node
from gatefront.spaces.families.stages import Stage, find_stages
from gatefront.spaces.graph.channel_rules import ChannelRule
from gatefront.spaces.networks.task_modules import TaskModules, position_keys


class MtanNetwork(FamilyNetwork):
    """Network with one mask per stage k and task t.

    ``u_b`` and ``u_t`` are the backbone's values before and behind the stage's last block. The mask is
    ``sigmoid(..([u_b; refined of stage k-1]))`` and the feature is ``mask * u_t``. Decoders read the features.
    """

    def load_references(
        self, single_task: Mapping[str, Mapping[str, Tensor]], hard_sharing: Mapping[str, Tensor] | None
    ) -> None:
        """Load backbone and decoders from hard sharing, if given. Masks and refinements stay unchanged."""
        if hard_sharing is not None:
            load_hard_sharing(self, hard_sharing)


def build_mtan(architecture: Architecture) -> MtanNetwork:
    """Build an MTAN on the architecture's backbone.

    Raises:
        SpaceError: the stages of the backbone do not give maps ``[batch, channels, height, width]``.
    """
    encoder, heads = build_parts(architecture)
    name = f"backbone {architecture.backbone!r}"
    stages = _map_stages(find_stages(encoder, name=name), name)
    return MtanNetwork(architecture, _Writer(encoder, stages, architecture.task_names, name).write(), heads)


def _map_stages(stages: Sequence[Stage], name: str) -> list[Stage]:
    """Return the stages that give maps.

    Layers behind them (a pooled vector, a last linear layer) run on every task's features.
    """
    maps = [stage for stage in stages if _is_map(stage.end)]
    if not maps or maps != list(stages[: len(maps)]):
        raise SpaceError(
            f"mtan masks maps [batch, channels, height, width], but stages of {name} give other values.",
            hint="Choose a convolutional backbone, or another family.",
        )
    return maps


class _Writer:
    """Writer of one graph: the backbone once, and behind each of its stages the masked features of all tasks."""

    def __init__(self, encoder: fx.GraphModule, stages: Sequence[Stage], task_names: Sequence[str], name: str) -> None:
        self._encoder = encoder
        self._stages = stages
        self._task_names = task_names
        self._name = name
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._root.add_module(SHARED, encoder)
        self._shared: dict[fx.Node, fx.Node] = {}
        self._masked: list[dict[fx.Node, fx.Node]] = [{} for _ in task_names]
        self._refined: list[fx.Node] = []

    def write(self) -> fx.GraphModule:
        *nodes, output = self._encoder.graph.nodes
        ends = {stage.end: k for k, stage in enumerate(self._stages)}
        backbone = _ancestors(ends)
        for node in nodes:
            if node in backbone or _is_neutral(node):
                self._shared[node] = copy_node(self._graph, node, self._shared, SHARED)
            else:
                self._write_for_tasks(node)
            if node in ends:
                self._mask(ends[node])
        features = []
        for own in self._masked:
            self._require_masked(output, own)
            features.append(fx.node.map_arg(output.args[0], own.__getitem__))
        self._graph.output(tuple(features))
        return fx.GraphModule(self._root, self._graph)

    def _mask(self, k: int) -> None:
        """Write the masked features of stage k and, except for the last stage, what the next masks read of them."""
        end, before = self._stages[k].end, _before_last_block(self._stages[k])
        in_channels = _channels(before) + (_channels(end) if k else 0)
        masks = {name: AttentionMask(in_channels, _channels(end)) for name in self._task_names}
        self._root.add_module(f"{MASKS}{k}", TaskModules(self._task_names, masks))
        between = self._add_refinement(k)
        refined = []
        for t, key in enumerate(position_keys(self._task_names).values()):
            read = self._shared[before]
            if k:
                read = self._graph.call_function(torch.cat, ([read, self._refined[t]], 1))
            mask = self._graph.call_module(f"{MASKS}{k}.{key}", (read,))
            value = self._graph.call_function(operator.mul, (mask, self._shared[end]))
            self._masked[t][end] = value
            for layer in between:
                value = self._graph.call_module(layer, (value,))
            refined.append(value)
        self._refined = refined

    def _add_refinement(self, k: int) -> list[str]:
        """Add the layers between a masked feature and the next stage, and return their names.

        The layers are the same for all tasks. The last stage has none.
        """
        if k + 1 == len(self._stages):
            return []
        end, following = self._stages[k].end, self._stages[k + 1].end
        self._root.add_module(f"refine_{k}", Refinement(_channels(end), _channels(following)))
        if _size(following) == _size(end):
            return [f"refine_{k}"]
        self._root.add_module(f"pool_{k}", pool_to(_size(end), _size(following)))
        return [f"refine_{k}", f"pool_{k}"]

    def _write_for_tasks(self, node: fx.Node) -> None:
        """Copy a node behind the stages, with the backbone's own weights, onto every task's features."""
        neutral = {source: copy for source, copy in self._shared.items() if _is_neutral(source)}
        for own in self._masked:
            self._require_masked(node, {**neutral, **own})
            own[node] = copy_node(self._graph, node, {**neutral, **own}, SHARED)

    def _require_masked(self, node: fx.Node, known: Mapping[fx.Node, fx.Node]) -> None:
        unmasked = [source.name for source in node.all_input_nodes if source not in known]
        if unmasked:
            raise SpaceError(
                f"{self._name} hands out {', '.join(unmasked)} from within a stage, where mtan has no mask.",
                hint="Choose a backbone whose features are the results of its stages, or another family.",
            )


def _before_last_block(stage: Stage) -> fx.Node:
    """Return the value that the stage's last block reads.

    The stage's own result takes its place if the stage has one block or if the resolutions differ.
    """
    before = stage.blocks[-2] if len(stage.blocks) > 1 else stage.end
    return before if _is_map(before) and _size(before) == _size(stage.end) else stage.end


def _ancestors(ends: Mapping[fx.Node, int]) -> set[fx.Node]:
    """Return the ends and everything that they are computed from."""
    found, waiting = set(ends), list(ends)
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _is_neutral(node: fx.Node) -> bool:
    """Return True for a value that is equal for all tasks: a size or other number, or a parameter of the backbone."""
    return not node.meta["has_tensor"] or node.meta["rule"] is ChannelRule.PARAMETER


def _is_map(node: fx.Node) -> bool:
    return len(node.meta["batched_shape"]) == 4 and node.meta["channel_axis"] == 1


def _channels(node: fx.Node) -> int:
    return int(node.meta["batched_shape"][1])


def _size(node: fx.Node) -> torch.Size:
    return torch.Size(node.meta["batched_shape"][2:])
