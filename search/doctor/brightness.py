"""Check of the images' brightness, because a data set that is all dark is most likely a mistake."""

import math

import torch
from torch import Tensor

from gatefront.search.doctor.check import Check
from gatefront.trainer.data import DataDescription

_DARK = 0.07
"""Share of white up to which images count as almost black.

Numbers of 12 bits in a picture of 16 bits reach 0.0625. Numbers from 0 to 1 in one of 8 bits reach 0.004.
"""
_DECIMALS = 5
"""Decimals of brightness. They are finer than 16 bits, and coarser than the rounding errors of normalization."""


class Brightness:
    """Darkest and brightest value of all images that are added, with 0 for black and 1 for white."""

    def __init__(self, description: DataDescription) -> None:
        self._mean, self._std = (torch.tensor(values).view(-1, 1, 1) for values in (description.mean, description.std))
        self._low, self._high = math.inf, -math.inf

    def add(self, image: Tensor) -> None:
        """Include an image ``[channels, h, w]`` as samples hold it, normalized."""
        values = image * self._std + self._mean
        low, high = (round(float(value), _DECIMALS) for value in (values.min(), values.max()))
        self._low, self._high = min(self._low, low), max(self._high, high)

    def check(self) -> Check:
        """Return a check that fails if all images are almost black, or hold one value alone."""
        found = f"values from {self._low:.3g} to {self._high:.3g}, of 0 for black and 1 for white"
        if self._high <= _DARK:
            return Check(
                "brightness",
                False,
                f"{found}: all images are almost black, as numbers of 12 bits are in pictures of 16, and numbers "
                "from 0 to 1 in pictures of 8; stretch them to the whole range",
            )
        if self._low == self._high:
            return Check("brightness", False, f"{found}: every pixel of every image is the same")
        return Check("brightness", True, found)
