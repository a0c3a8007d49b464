"""Non-learnable primitives, which replace the kernel of a convolution in ETR-NLP."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatefront.spaces.errors import SpaceError


class PrimitiveBank(nn.Module):
    """Bank of m fixed views of a map, ``[b, c, h, w] -> [b, m c, h', w']``, at the size that a convolution would give.

    The views are taps of the convolution's kernel, and the mean and the maximum over the kernel's whole field. The taps
    are the center and the middles of the four edges: the map itself and four shifts of it. Stride, padding and dilation
    are the convolution's. Nothing is learned.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        if isinstance(convolution.padding, str) or convolution.padding_mode != "zeros":
            raise SpaceError(
                f"a convolution pads by {convolution.padding!r} in mode {convolution.padding_mode!r}, "
                "which etr-nlp has no primitives for.",
                hint="Choose a backbone that pads by numbers of zeros, or another family.",
            )
        height, width = convolution.kernel_size
        self.stride = _pair(convolution.stride)
        self.padding = _pair(convolution.padding)
        self.dilation = _pair(convolution.dilation)
        self.field = (self.dilation[0] * (height - 1) + 1, self.dilation[1] * (width - 1) + 1)
        if any(2 * padding > field for padding, field in zip(self.padding, self.field, strict=True)):
            raise SpaceError(
                f"a convolution of field {self.field} pads by {self.padding}: means and maxima cannot.",
                hint="Choose a backbone that pads by at most half of its kernels, or another family.",
            )
        self.mean = nn.AvgPool2d(self.field, self.stride, self.padding, count_include_pad=False)
        self.maximum = nn.MaxPool2d(self.field, self.stride, self.padding)
        middle = (height // 2, width // 2)
        edges = ((0, middle[1]), (height - 1, middle[1]), (middle[0], 0), (middle[0], width - 1))
        self.taps = tuple(dict.fromkeys((middle, *edges)))

    @property
    def num_views(self) -> int:
        return len(self.taps) + 2

    def forward(self, feature: Tensor) -> Tensor:
        (top, left), (down, right) = self.padding, self.stride
        padded = F.pad(feature, (left, left, top, top))
        height = (padded.shape[2] - self.field[0]) // down + 1
        width = (padded.shape[3] - self.field[1]) // right + 1
        views = []
        for row, column in self.taps:
            y, x = row * self.dilation[0], column * self.dilation[1]
            views.append(padded[:, :, y : y + down * (height - 1) + 1 : down, x : x + right * (width - 1) + 1 : right])
        views += [self.mean(feature), self.maximum(feature)]
        return torch.cat(views, dim=1)


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    """Return the sizes of a convolution, which torch types as a tuple of any length, as a pair."""
    vertical, horizontal = values
    return vertical, horizontal
