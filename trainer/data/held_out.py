"""Validation samples taken from a training split, which leaves the official validation split for the test."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from gatefront.trainer.data.dataset import DataError, SplitSizes
from gatefront.trainer.data.options import require_option

ItemT = TypeVar("ItemT")

VAL_SHARE = 0.15
"""Share of the official training split that validates, unless the study names another."""

_MOST_SHARE = 0.5
_NUM_BLOCKS = 40
_HINT = "Set val_share = 0 in [data.options] to validate on the official split, without a test split."


def make_splits(
    train: Sequence[ItemT], official: Sequence[ItemT], groups: Sequence[str], share: float, *, where: str
) -> dict[str, list[ItemT]]:
    """Part the two official splits into ``train``, ``val`` and ``test``.

    Whole groups of training samples validate, in the order of a hash of their names. So the choice depends on the names
    alone.

    Args:
        train: the samples of the official training split.
        official: the samples of the official validation split, which are the test.
        groups: per training sample the name of its group: samples that belong together, such as frames of a scene.
        share: the share of training samples that validate; 0 gives ``official`` as ``val``, and no ``test``.
        where: the place of the training samples, for messages.

    Returns:
        The samples by split, in their order.

    Raises:
        DataError: the training samples are of one group.
    """
    if share == 0:
        return {"train": list(train), "val": list(official)}
    chosen = _choose_groups(groups, share, where)
    parted: dict[str, list[ItemT]] = {"train": [], "val": []}
    for item, group in zip(train, groups, strict=True):
        parted["val" if group in chosen else "train"].append(item)
    return parted | {"test": list(official)}


def published_counts(train: int, official: int, share: float) -> SplitSizes:
    """Return ``num_train``, ``num_val`` and ``num_test`` of a description, from the published numbers of samples."""
    if share == 0:
        return SplitSizes(num_train=train, num_val=official, num_test=0)
    num_val = _target(train, share)
    return SplitSizes(num_train=train - num_val, num_val=num_val, num_test=official)


def runs_of_numbers(names: Sequence[str]) -> list[str]:
    """Return a group per name: names that are consecutive numbers share one, any other name has its own.

    Frames that were numbered scene by scene, and split by scene, are at least as far apart as their scenes.
    """
    first_of: dict[int, str] = {}
    for number, name in sorted((int(name), name) for name in names if name.isdecimal()):
        first_of[number] = first_of.get(number - 1, name)
    return [first_of[int(name)] if name.isdecimal() else name for name in names]


def blocks_of_numbers(count: int) -> list[str]:
    """Return a group per number below ``count``: a block of neighbors.

    Where the names of scenes are lost, only the frames at the borders of blocks can share a scene with another split.
    """
    return [f"block {number * _NUM_BLOCKS // count if count > _NUM_BLOCKS else number}" for number in range(count)]


def require_share(share: float) -> None:
    """Raise :class:`DataError` unless the option ``val_share`` is in its range."""
    require_option("val_share", share, f"between 0 and {_MOST_SHARE}", 0 <= share <= _MOST_SHARE)


def _choose_groups(groups: Sequence[str], share: float, where: str) -> set[str]:
    sizes = Counter(groups)
    if len(sizes) < 2:
        raise DataError(
            f"Cannot take validation samples from {where}: its samples belong together (found {len(sizes)} group of "
            f"{len(groups)}).",
            hint=_HINT,
        )
    ordered = sorted(sizes, key=lambda group: hashlib.sha256(group.encode()).digest())
    target, chosen, count = _target(len(groups), share), set(), 0
    for group in ordered:
        if count + sizes[group] <= target:
            chosen.add(group)
            count += sizes[group]
    return chosen or {min(ordered, key=lambda group: sizes[group])}


def _target(count: int, share: float) -> int:
    return max(1, round(share * count))
