"""ordered_merge: a dictionary that stays in the order of its keys while others come."""

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key", int, tuple[int, int])
Value = TypeVar("Value")


def ordered_merge(kept: dict[Key, Value], further: Mapping[Key, Value]) -> dict[Key, Value]:
    """``kept``, which is in order, with the ``further`` entries in place of those of equal key; it may be changed.

    Sorted only where it must be: what comes is mostly the newest.
    """
    last = next(reversed(kept), None)
    new = sorted(key for key in further if key not in kept)
    kept.update((key, value) for key, value in further.items() if key in kept)
    kept.update((key, further[key]) for key in new)
    is_in_order = last is None or not new or new[0] > last
    return kept if is_in_order else dict(sorted(kept.items(), key=lambda entry: entry[0]))
