"""Morphological thinning of broad lines to lines of one pixel."""

import numpy as np
from numpy.typing import NDArray

# The eight neighbors (row, column), from the east one on, counter-clockwise: x1 to x8 of the definition.
_NEIGHBOURS = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def thin(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin ``[h, w]`` until nothing changes. Lines stay connected, and their ends move by about a pixel at most.

    Source: Lam, Lee and Suen, "Thinning Methodologies", PAMI 1992, p. 879 (two parallel passes, after Guo and Hall).
    """
    while True:
        thinner = mask
        for may_go in _MAY_GO:
            thinner = thinner & ~may_go[_neighbourhoods(thinner)]
        if np.array_equal(thinner, mask):
            return mask
        mask = thinner


def _neighbourhoods(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return per pixel its eight neighbors as the bits of a byte. Outside the image nothing is set."""
    height, width = mask.shape
    padded = np.pad(mask.astype(np.uint8), 1)
    codes = np.zeros(mask.shape, np.uint8)
    for bit, (row, column) in enumerate(_NEIGHBOURS):
        codes |= padded[1 + row : 1 + row + height, 1 + column : 1 + column + width] << bit
    return codes


def _decisions(first_pass: bool) -> NDArray[np.bool_]:
    """Return for each of the 256 neighborhoods whether the pixel in its middle is removed."""
    x = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(bool)

    def at(number: int) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = x[:, (number - 1) % 8]  # x9 is x1
        return found

    crossings = sum((~at(2 * i - 1) & (at(2 * i) | at(2 * i + 1))).astype(int) for i in range(1, 5))
    pairs_before = sum((at(2 * i - 1) | at(2 * i)).astype(int) for i in range(1, 5))
    pairs_after = sum((at(2 * i) | at(2 * i + 1)).astype(int) for i in range(1, 5))
    pairs = np.minimum(pairs_before, pairs_after)
    kept_side = (at(2) | at(3) | ~at(8)) & at(1) if first_pass else (at(6) | at(7) | ~at(4)) & at(5)
    decisions: NDArray[np.bool_] = (crossings == 1) & (pairs >= 2) & (pairs <= 3) & ~kept_side
    return decisions


_MAY_GO = (_decisions(first_pass=True), _decisions(first_pass=False))
