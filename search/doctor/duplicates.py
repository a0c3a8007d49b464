"""Check for pictures that are in two splits, under any names. Such a split would measure memorized samples."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from torch.utils.data import Dataset

from gatefront.search.doctor.check import Check
from gatefront.trainer.checkpoints.content_hash import hash_file
from gatefront.trainer.data import MultiTaskData, Sample
from gatefront.trainer.data.cache.decoded_split import DecodedSplit
from gatefront.trainer.data.labelled import SPLIT_WORDS
from gatefront.trainer.data.loader import num_samples
from gatefront.trainer.data.transforms.augmentation import AugmentedSplit


def check_duplicates(data: MultiTaskData) -> Check | None:
    """Return a check that fails if a picture is in two splits. None: the data have no files.

    Decoded pixels are compared if samples are kept decoded, else the files' bytes.
    """
    if not data.files.keys() >= data.splits.keys():
        return None
    hashes = _hashes(data)
    faults = [fault for one, other in combinations(hashes, 2) if (fault := _compare(data, hashes, one, other))]
    return Check("splits", not faults, "; ".join(faults) or "no picture is in two of them")


def _compare(data: MultiTaskData, hashes: Mapping[str, Sequence[Hashable]], one: str, other: str) -> str | None:
    """Return a sentence on the pictures that both splits have; None if there are none."""
    first_of = {key: index for index, key in reversed(list(enumerate(hashes[one])))}
    both = [(first_of[key], index) for index, key in enumerate(hashes[other]) if key in first_of]
    if not both:
        return None
    first, second = data.files[one].image_file(both[0][0]), data.files[other].image_file(both[0][1])
    share = f"{len(both):,} of {len(hashes[other]):,} {SPLIT_WORDS[other]} images are in both splits"
    return f"{second} is the same picture as {first} of {SPLIT_WORDS[one]}; {share}"


def _hashes(data: MultiTaskData) -> dict[str, Sequence[Hashable]]:
    decoded = {name: _unchanged(split) for name, split in data.splits.items()}
    if all(isinstance(split, DecodedSplit) for split in decoded.values()):
        return {name: _of_pixels(split) for name, split in decoded.items() if isinstance(split, DecodedSplit)}
    paths = {
        name: [data.files[name].image_file(index) for index in range(num_samples(split))]
        for name, split in data.splits.items()
    }
    sizes = {name: {path.stat().st_size for path in of_split} for name, of_split in paths.items()}
    shared = {size for one, other in combinations(sizes.values(), 2) for size in one & other}
    return {name: [_of_file(path, shared) for path in of_split] for name, of_split in paths.items()}


def _unchanged(split: Dataset[Sample]) -> Dataset[Sample]:
    return split.unchanged if isinstance(split, AugmentedSplit) else split


def _of_pixels(split: DecodedSplit) -> list[Hashable]:
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in split.images]


def _of_file(path: Path, shared: set[int]) -> Hashable:
    """Return a key that is equal for equal contents.

    A file is not read if no other split has a file of its length.
    """
    return hash_file(path) if path.stat().st_size in shared else path
