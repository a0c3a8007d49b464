"""Check for pictures that are in both splits, under any names. Validation would measure memorized samples."""

import hashlib
from collections.abc import Hashable, Sequence
from pathlib import Path

from torch.utils.data import Dataset

from gatefront.search.doctor.check import Check
from gatefront.trainer.checkpoints.content_hash import hash_file
from gatefront.trainer.data import MultiTaskData, Sample
from gatefront.trainer.data.cache.decoded_split import DecodedSplit
from gatefront.trainer.data.loader import num_samples
from gatefront.trainer.data.transforms.augmentation import AugmentedSplit


def check_duplicates(data: MultiTaskData) -> Check | None:
    """Return a check that fails if a picture is in both splits. None: the data have no files.

    Decoded pixels are compared if samples are kept decoded, else the files' bytes.
    """
    if not data.files.keys() >= {"train", "val"}:
        return None
    train, val = _hashes(data)
    first_of = {key: index for index, key in reversed(list(enumerate(train)))}
    both = [(first_of[key], index) for index, key in enumerate(val) if key in first_of]
    if not both:
        return Check("splits", True, "no picture is in both")
    one, other = data.files["train"].image_file(both[0][0]), data.files["val"].image_file(both[0][1])
    share = f"{len(both):,} of {len(val):,} validation images are in both splits"
    return Check("splits", False, f"{other} is the same picture as {one} of training; {share}")


def _hashes(data: MultiTaskData) -> tuple[Sequence[Hashable], Sequence[Hashable]]:
    train, val = _unchanged(data.train), _unchanged(data.val)
    if isinstance(train, DecodedSplit) and isinstance(val, DecodedSplit):
        return _of_pixels(train), _of_pixels(val)
    paths = [
        [data.files[name].image_file(index) for index in range(num_samples(split))]
        for name, split in (("train", train), ("val", val))
    ]
    sizes = [{path.stat().st_size for path in of_split} for of_split in paths]
    shared = sizes[0] & sizes[1]
    first, second = ([_of_file(path, shared) for path in of_split] for of_split in paths)
    return first, second


def _unchanged(split: Dataset[Sample]) -> Dataset[Sample]:
    return split.unchanged if isinstance(split, AugmentedSplit) else split


def _of_pixels(split: DecodedSplit) -> list[Hashable]:
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in split.images]


def _of_file(path: Path, shared: set[int]) -> Hashable:
    """Return a key that is equal for equal contents.

    A file is not read if the other split has no file of its length.
    """
    return hash_file(path) if path.stat().st_size in shared else path
