"""InterroGateNetwork: a backbone lifted into one shared and T task-specific branches with gates between."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.gating.channel_gate import ChannelGate
from gatefront.spaces.gating.gate_layout import Estimator, GateLayout
from gatefront.spaces.gating.gate_map import UNREAD, GateMap, GateSite
from gatefront.spaces.graph.opaque import readable_name
from gatefront.spaces.networks.activation_checkpointing import split_at_blocks
from gatefront.spaces.networks.branches import LiveBranches, run_branches
from gatefront.spaces.networks.cost_model import CostModel, GatePattern
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.networks.feature_readers import FeatureReaders, find_readers
from gatefront.spaces.networks.lifting import find_sites
from gatefront.spaces.networks.live_channels import find_live_channels
from gatefront.spaces.networks.shared_network import build_heads, trace_heads
from gatefront.spaces.networks.task_modules import TaskModules, position_keys, with_positions
from gatefront.spaces.tracing.trace import note_last_uses


def build_gated_network(
    architecture: Architecture, layout: GateLayout | None = None, *, initial_logit: float = 1.0
) -> "InterroGateNetwork":
    """Lift the architecture's backbone. All branches start from the same weights.

    Raises:
        SpaceError: the backbone is unknown, cannot be traced, fits no decoder, or is narrower than a channel group.
    """
    encoder = build_encoder(architecture)
    heads = build_heads(architecture, encoder, architecture.task_names)
    return InterroGateNetwork(architecture, encoder, heads, layout=layout or GateLayout(), initial_logit=initial_logit)


class InterroGateNetwork(nn.Module):
    """Network ``images [batch, c, h, w] -> {task: prediction}`` (InterroGate, Algorithm 1, gates on layer outputs).

    The traced backbone runs once per branch. At each gate site every task chooses per channel, and the shared branch
    continues with the mix of the choices. All gates shut is hard sharing, and all open are T single-task networks.
    """

    def __init__(
        self,
        architecture: Architecture,
        encoder: fx.GraphModule,
        heads: TaskModules,
        *,
        layout: GateLayout,
        initial_logit: float,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.layout = layout
        self.shared_encoder = encoder
        names = architecture.task_names
        self.task_encoders = TaskModules(names, {name: copy.deepcopy(encoder) for name in names})
        self.heads = heads
        self.lifting = find_sites(encoder, layout)
        if not self.lifting.sites:
            raise SpaceError(f"backbone {architecture.backbone!r} has no layer whose output a gate could choose.")
        self.head_graphs = trace_heads(encoder, heads)
        self.readers = self._find_readers()
        self.gates = nn.ModuleList(
            ChannelGate(
                len(architecture.tasks),
                site.num_channels,
                channel_axis=site.channel_axis,
                initial_logit=initial_logit,
                group_size=site.group_size,
                readers=self.readers.of_node[site.node],
            )
            for site in self.lifting.sites
        )
        self._live = self._read_branches()
        self._segments: list[list[fx.Node]] | None = None
        self.register_load_state_dict_post_hook(_refresh_after_loading)  # type: ignore[no-untyped-call]
        self.cost = CostModel(
            sites=self.lifting.sites,
            whole_costs=self.lifting.whole_costs,
            readers=tuple(self.readers.of_node[site.node] for site in self.lifting.sites),
            encoder=sum(node.meta["flops"] for node in encoder.graph.nodes),
            heads={name: sum(n.meta["flops"] for n in graph.nodes) for name, graph in self.head_graphs.items()},
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "InterroGateNetwork":
        # A copied graph has its own nodes, and these attributes refer to nodes.
        of_nodes = {"lifting", "cost", "readers", "_live", "_segments"}
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        for name, value in vars(self).items():
            vars(copied)[name] = value if name in of_nodes else copy.deepcopy(value, memo)
        note_last_uses(copied.shared_encoder.graph)
        copied.lifting = find_sites(copied.shared_encoder, copied.layout)
        copied.cost = replace(self.cost, sites=copied.lifting.sites)
        copied.readers = copied._find_readers()
        copied._refresh_live_branches()
        if self._segments is not None:
            copied.checkpoint_activations()
        return copied

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.architecture.tasks

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        gates = {site.node: gate for site, gate in zip(self.lifting.sites, self.channel_gates(), strict=True)}
        segments = self._segments if self.training else None
        features = run_branches(self.shared_encoder.graph, self.branches(), gates, images, self._live, segments)
        return {task.name: self.heads[task.name](features[t]) for t, task in enumerate(self.tasks)}

    def branches(self) -> list[fx.GraphModule]:
        """Return the shared encoder, then one encoder per task."""
        return [self.shared_encoder, *(self.task_encoders[task.name] for task in self.tasks)]  # type: ignore[list-item]

    def channel_gates(self) -> list[ChannelGate]:
        """Return one gate per site, in depth order."""
        return list(self.gates)  # type: ignore[arg-type]

    def gate_parameters(self) -> list[nn.Parameter]:
        """Return the gate and mixing logits, which have their own learning rate and no weight decay."""
        return list(self.gates.parameters())

    def gate_pattern(self) -> GatePattern:
        """Return the hard gates of every site."""
        return tuple(gate.pattern() for gate in self.channel_gates())

    @torch.no_grad()
    def set_gate_pattern(self, pattern: GatePattern) -> None:
        """Move logits across zero, where needed, so that the hard gates equal ``pattern`` (alike within groups)."""
        for gate, own in zip(self.channel_gates(), pattern, strict=True):
            wanted = gate.per_group(own).to(gate.alpha.device)
            magnitude = gate.alpha.abs().clamp(min=1e-3)
            flipped = torch.where(wanted, magnitude, -magnitude)
            gate.alpha.copy_(torch.where(wanted == (gate.alpha >= 0), gate.alpha, flipped))
        self._refresh_live_branches()

    def freeze_gates(self) -> None:
        """Freeze all gates. The mix of the shared branch still learns.

        Layers that the frozen gates leave without a reader are no longer run.
        """
        for gate in self.channel_gates():
            gate.alpha.requires_grad_(False)
        self._refresh_live_branches()

    def unfreeze_gates(self) -> None:
        """Undo :meth:`freeze_gates`, so that logits learn again and every branch that a task reads runs."""
        for gate in self.channel_gates():
            gate.alpha.requires_grad_(True)
        self._refresh_live_branches()

    def set_estimator(self, estimator: Estimator) -> None:
        """Set the estimator that gives all gates their gradient."""
        for gate in self.channel_gates():
            gate.estimator = estimator

    def checkpoint_activations(self) -> None:
        """Keep one value per block and branch in training, and compute the rest again when it is needed."""
        self._segments = split_at_blocks(self.shared_encoder.graph)

    @torch.no_grad()
    def clamp_logits(self, max_logit: float) -> None:
        """Keep logits within ``±max_logit``. Beyond, the sigmoid's gradient vanishes and a gate cannot change."""
        for gate in self.channel_gates():
            gate.alpha.clamp_(-max_logit, max_logit)

    def flops(self) -> int:
        """Return the exact FLOPs of the network pruned to the present gates."""
        return self.cost.flops(self.gate_pattern())

    def gate_map(self) -> GateMap:
        """Return the present gates as a record for views."""
        sites = tuple(
            GateSite(
                name=readable_name(self.lifting.sites[index].node),
                own=tuple(
                    "".join("1" if bit else "0" for bit in row) if reads else UNREAD * len(row)
                    for row, reads in zip(own.tolist(), self.cost.readers[index], strict=True)
                ),
                flops_per_channel=float(self.lifting.sites[index].channel_flops),
            )
            for index, own in enumerate(self.gate_pattern())
        )
        return GateMap(tasks=self.architecture.task_names, sites=sites)

    def load_references(
        self, single_task: Mapping[str, Mapping[str, Tensor]], hard_sharing: Mapping[str, Tensor] | None
    ) -> None:
        """Load each task's branch and head from its single-task network, and the shared branch from hard sharing.

        The values are state dicts of :class:`SharedNetwork` of the same architecture. ``hard_sharing`` None leaves the
        shared branch unchanged.
        """
        for name, key in position_keys(self.architecture.task_names).items():
            state = with_positions(single_task[name], "heads.", self.architecture.task_names)
            self.task_encoders[name].load_state_dict(_part(state, "encoder."))
            self.heads[name].load_state_dict(_part(state, f"heads.{key}."))
        if hard_sharing is not None:
            self.shared_encoder.load_state_dict(_part(hard_sharing, "encoder."))

    def _find_live_branches(self) -> LiveBranches:
        graph = self.shared_encoder.graph
        live = find_live_channels(graph, self.lifting.sites, self.gate_pattern(), self.readers).before
        num_branches = len(self.tasks) + 1
        return {
            node: tuple(bool(live[node, b].any()) for b in range(num_branches))
            for node in graph.nodes
            if node.op != "output"
        }

    def _read_branches(self) -> LiveBranches | None:
        """Return the branches that run while gates may still change, or None if everything runs."""
        if all(all(readers) for readers in self.readers.of_node.values()):
            return None
        return {node: (any(readers), *readers) for node, readers in self.readers.of_node.items()}

    def _refresh_live_branches(self) -> None:
        is_frozen = not any(gate.alpha.requires_grad for gate in self.channel_gates())
        self._live = self._find_live_branches() if is_frozen else self._read_branches()

    def _find_readers(self) -> FeatureReaders:
        return find_readers(
            self.shared_encoder.graph, [self.head_graphs[name] for name in self.architecture.task_names]
        )


def _refresh_after_loading(network: nn.Module, _: object) -> None:
    if isinstance(network, InterroGateNetwork):
        network._refresh_live_branches()


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
