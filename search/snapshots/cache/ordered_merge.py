"""ordered_merge: an update that keeps a dictionary in the order of its keys."""

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key", int, tuple[int, int])
Value = TypeVar("Value")


def ordered_merge(kept: dict[Key, Value], further: Mapping[Key, Value]) -> dict[Key, Value]:
    """Merge ``further`` entries into ``kept``, which is in order, and return the result in order.

    Entries of equal key are replaced. ``kept`` may be changed. The result is only sorted if necessary, because most new
    entries have the highest keys.
    """
    last = next(reversed(kept), None)
    new = sorted(key for key in further if key not in kept)
    kept.update((key, value) for key, value in further.items() if key in kept)
    kept.update((key, further[key]) for key in new)
    is_in_order = last is None or not new or new[0] > last
    return kept if is_in_order else dict(sorted(kept.items(), key=lambda entry: entry[0]))
