"""Registry of decoders. A dense decoder is a trunk, of the form that the architecture names, and a predictor."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture, DenseDecoder
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.decoders.classification import ClassificationDecoder
from gatefront.spaces.decoders.deeplab import DeepLabTrunk
from gatefront.spaces.decoders.dpt import DptTrunk
from gatefront.spaces.decoders.light import LightTrunk
from gatefront.spaces.decoders.predictor import Predictor
from gatefront.spaces.errors import SpaceError

BuildTrunk = Callable[[Sequence[torch.Size], int, tuple[int, int]], nn.Module]

TRUNKS: dict[DenseDecoder, BuildTrunk] = {"light": LightTrunk, "deeplab": DeepLabTrunk, "dpt": DptTrunk}
"""Trunks by decoder, built as ``(feature shapes, width, input size) -> module``.

The module turns a list of features into ``[batch, width, h, w]``.
"""


def build_decoder(task: Task, architecture: Architecture, feature_shapes: Sequence[torch.Size]) -> nn.Module:
    """Build the part of the network that belongs to one task alone: ``features (list) -> prediction``.

    ``feature_shapes`` are those of the encoder, batch axis included. With ``share_decoder`` the encoder ends with the
    trunk, and a task's own part is the predictor.

    Raises:
        SpaceError: a dense task on a backbone that gives vectors, or on an input too small for its levels.
    """
    if not task.is_dense:
        return ClassificationDecoder(feature_shapes[-1], task.num_outputs)
    predictor = Predictor(architecture.decoder_width, task.num_outputs, architecture.input_size)
    if architecture.share_decoder:
        return predictor
    return TaskDecoder(build_trunk(architecture, feature_shapes), predictor)


def build_trunk(architecture: Architecture, feature_shapes: Sequence[torch.Size]) -> nn.Module:
    """Build a dense decoder without its predictor.

    Raises:
        SpaceError: the features are no maps, or one of them is empty.
    """
    dense = ", ".join(f"{task.name} ({task.kind})" for task in architecture.tasks if task.is_dense)
    if any(len(shape) != 4 for shape in feature_shapes):
        raise SpaceError(
            f"{dense}: dense tasks need feature maps, but {architecture.backbone!r} gives vectors.",
            hint="Choose a backbone that returns maps.",
        )
    if any(min(shape[2:]) < 1 for shape in feature_shapes):
        height, width = architecture.input_size
        sizes = ", ".join(f"{shape[2]}x{shape[3]}" for shape in feature_shapes)
        raise SpaceError(
            f"input_size {height}x{width} is too small for {architecture.backbone!r}: its maps are {sizes}.",
            hint="Use larger images, a stem of stride 1 (stem = 'small') or a smaller output_stride.",
        )
    return TRUNKS[architecture.decoder](feature_shapes, architecture.decoder_width, architecture.input_size)


class TaskDecoder(nn.Module):
    """Decoder with its own trunk and a predictor."""

    def __init__(self, trunk: nn.Module, predictor: Predictor) -> None:
        super().__init__()
        self.trunk = trunk
        self.predictor = predictor

    def forward(self, features: list[Tensor]) -> Tensor:
        prediction: Tensor = self.predictor([self.trunk(features)])
        return prediction
