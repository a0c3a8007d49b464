"""Architecture: the record that fixes the shape of a trial's networks before any weight exists."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.json_codec import OMIT_DEFAULT

Stem = Literal["default", "small"]
DenseDecoder = Literal["light", "deeplab", "dpt"]
OUTPUT_STRIDES = (8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Record from which single-task, hard-sharing and gated networks of one capacity are built.

    ``input_size`` is ``(height, width)`` in pixels. ``stem="small"`` replaces the stride-4 stem of an ImageNet ResNet
    by a 3x3 convolution of stride 1, as is usual for images of 32 to 64 px. ``output_stride`` keeps later stages at
    that resolution by dilation, and None leaves the backbone's own stride. ``backbone`` is a name, or
    ``package.module:factory`` for a module of the user. ``pretrained`` loads timm's weights, and ``weights`` names a
    local file instead. ``decoder`` is the form of the decoders of dense tasks. With ``share_decoder`` its trunk is
    lifted with the backbone. ``resolution`` is the fraction of ``input_size`` at which the backbone works. Images are
    resized before the backbone and dense predictions after it, so that data and metrics stay unchanged.

    ``width`` multiplies the channels of every layer. ``layer_widths`` replaces it: the channels of every group of
    coupled layers, in the order of :func:`gatefront.spaces.graph.channel_groups.scalable_groups` at width 1.
    """

    backbone: str
    tasks: tuple[Task, ...]
    in_channels: int
    input_size: tuple[int, int]
    stem: Stem = "default"
    output_stride: int | None = None
    resolution: float = 1.0
    width: float = 1.0
    decoder: DenseDecoder = "light"
    decoder_width: int = 32
    share_decoder: bool = False
    pretrained: bool = False
    weights: str | None = None
    layer_widths: tuple[int, ...] | None = field(default=None, metadata=OMIT_DEFAULT)

    def __post_init__(self) -> None:
        if not self.tasks:
            raise SpaceError("tasks is empty: a network needs at least one task.")
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise SpaceError(f"task names must differ, found {', '.join(names)}.")
        if not (math.isfinite(self.width) and self.width > 0):
            raise SpaceError(f"width must be above 0, found {self.width}.")
        if not 0 < self.resolution <= 1:
            raise SpaceError(f"resolution must be above 0 and at most 1, found {self.resolution}.")
        if min(*self.input_size, self.in_channels, self.decoder_width) < 1:
            raise SpaceError(
                f"input_size {self.input_size}, in_channels {self.in_channels} "
                f"and decoder_width {self.decoder_width} must be at least 1."
            )
        if self.output_stride not in (None, *OUTPUT_STRIDES):
            raise SpaceError(f"output_stride must be one of {OUTPUT_STRIDES}, found {self.output_stride}.")
        if self.output_stride is not None and min(self.working_size) < self.output_stride:
            height, width = self.working_size
            raise SpaceError(
                f"input_size {height}x{width} is too small for output_stride {self.output_stride}.",
                hint=f"Use images of at least {self.output_stride} px, or a smaller output_stride.",
            )
        if self.pretrained and self.weights is not None:
            raise SpaceError("pretrained and weights exclude each other.", hint="Give one of them.")
        if self.layer_widths is not None and self.width != 1.0:
            raise SpaceError(
                f"Cannot use layer_widths: they are channels at width 1 (found width {self.width}).",
                hint="Leave one of width and layer_widths out.",
            )
        self._check_decoder()

    def _check_decoder(self) -> None:
        if self.decoder not in get_args(DenseDecoder):
            raise SpaceError(f"decoder must be one of {', '.join(get_args(DenseDecoder))}, found {self.decoder!r}.")
        others = [f"{task.name} ({task.kind})" for task in self.tasks if not task.is_dense]
        if self.share_decoder and others:
            raise SpaceError(
                f"share_decoder needs decoders of one form, but {', '.join(others)} cannot use a dense one.",
                hint="Leave share_decoder out, or train these tasks in a study of their own.",
            )

    @property
    def working_size(self) -> tuple[int, int]:
        """``(height, width)`` of the images that the backbone itself reads, in pixels."""
        height, width = self.input_size
        return max(1, round(self.resolution * height)), max(1, round(self.resolution * width))

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)
