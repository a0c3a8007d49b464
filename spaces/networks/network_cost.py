"""NetworkCost: FLOPs of an encoder and its decoders at any layer widths, without building them."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import fx

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.decoders import build_decoder, build_trunk
from gatefront.spaces.graph.flop_counter import flop_counter
from gatefront.spaces.graph.width_cost import CostTerm, WidthCost
from gatefront.spaces.networks.encoder import build_encoder, encoder_features
from gatefront.spaces.networks.feature_readers import find_readers
from gatefront.spaces.networks.shared_network import build_heads, trace_heads


class NetworkCost:
    """Costs of the parts of networks on one backbone. Widths are channels by scalable group, at width 1 at first.

    A part of the encoder costs what its tasks' predictions depend on. All counts are exact, at 2 FLOPs per
    multiply-add, for one image.
    """

    def __init__(self, architecture: Architecture) -> None:
        """Trace the backbone at width 1, with random weights.

        Raises:
            SpaceError: the backbone cannot be built.
        """
        self.architecture = replace(architecture, width=1.0, layer_widths=None, pretrained=False, weights=None)
        self.encoder = build_encoder(replace(self.architecture, share_decoder=False))
        self.widths = WidthCost(self.encoder.graph)
        self._features = encoder_features(self.encoder)
        self._read_by = self._find_readers()
        self._known: dict[tuple[object, ...], int] = {}

    def encoder_terms(self, tasks: Collection[str], nodes: Collection[fx.Node] | None = None) -> tuple[CostTerm, ...]:
        """Return the costs of what these tasks read of the encoder, or of the part of it that ``nodes`` makes."""
        read = frozenset().union(*(self._read_by[name] for name in tasks))
        return self.widths.terms(read if nodes is None else read.intersection(nodes))

    def decoder_flops(self, task: Task, widths: Sequence[int], decoder_width: int) -> int:
        """Return the cost of a task's own decoder. Without a trunk of its own, that is the predictor alone."""
        shapes = tuple(self._shape(node, widths) for node in self._features)
        key = (task.name, decoder_width, *shapes)
        if key not in self._known:
            architecture = replace(self.architecture, decoder_width=decoder_width)
            with torch.device("meta"):
                if architecture.share_decoder:
                    trunk = build_trunk(architecture, shapes)
                    given = [trunk.eval()([torch.zeros(shape) for shape in shapes])]
                else:
                    given = [torch.zeros(shape) for shape in shapes]
                self._known[key] = _count(build_decoder(task, architecture, shapes), given)
        return self._known[key]

    def trunk_flops(self, widths: Sequence[int], decoder_width: int) -> int:
        """Return the cost of the decoders' common trunk; 0 if every task has its own."""
        if not self.architecture.share_decoder:
            return 0
        shapes = tuple(self._shape(node, widths) for node in self._features)
        key = ("trunk of all tasks", decoder_width, *shapes)
        if key not in self._known:
            architecture = replace(self.architecture, decoder_width=decoder_width)
            with torch.device("meta"):
                self._known[key] = _count(build_trunk(architecture, shapes), [torch.zeros(shape) for shape in shapes])
        return self._known[key]

    def _find_readers(self) -> dict[str, set[fx.Node]]:
        architecture = replace(self.architecture, share_decoder=False)
        graphs = trace_heads(self.encoder, build_heads(architecture, self.encoder, architecture.task_names))
        readers = find_readers(self.encoder.graph, list(graphs.values()))
        return {
            name: {node for node, reads in readers.of_node.items() if reads[position]}
            for position, name in enumerate(architecture.task_names)
        }

    def _shape(self, node: fx.Node, widths: Sequence[int]) -> torch.Size:
        channels = self.widths.channels(node, widths)
        _, own, *rest = node.meta["shape"]
        return torch.Size((1, own if channels is None else channels, *rest))


def _count(module: torch.nn.Module, features: Sequence[torch.Tensor]) -> int:
    module.eval()
    with flop_counter() as counter, torch.no_grad():
        module(list(features))
    return int(counter.get_total_flops())
