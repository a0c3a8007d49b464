"""Cache of data from files: decoded once, then memory-mapped by every process that trains on them.

It keeps each sample at the network's input size, before normalization and augmentation, without loss. A study gets the
same numbers with and without the cache.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from gatefront.trainer.checkpoints.atomic_folder import obtain_folder
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.data.cache.array_cache import is_intact, write_contents
from gatefront.trainer.data.cache.cache_limit import cache_limit
from gatefront.trainer.data.cache.decoded_split import Column, DecodedSplit, DeepImageError, list_columns, write_split
from gatefront.trainer.data.dataset import DataError, DataSpec, MultiTaskData, Sample

_READ_AHEAD = 4  # samples per thread
_LIBRARIES = ("numpy", "pillow", "scipy", "torch")

READER_VERSION = 1
"""Version of the readers.

Increase it if a reader returns other samples for the same files. Samples cached before are then read again.
"""

logger = logging.getLogger(__name__)


@runtime_checkable
class Decodable(Protocol):
    """Split of files that always reads the same samples from the same files."""

    def __len__(self) -> int: ...

    def decode(self, index: int) -> Sample:
        """Return a sample at the input size, with its image not normalized."""
        ...

    def files(self) -> Iterable[Path]: ...


def keep_decoded(data: MultiTaskData, spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Return the same data, read from memory-mapped files under ``cache_dir``, which are written if missing.

    ``data`` is as in its files, not augmented, and all splits are :class:`Decodable`. The same object is returned if
    decoded samples take more than ``spec.cache`` allows. The files are found by a hash of their inputs, so a changed
    file, option, library or reader makes new ones.

    Raises:
        DataError: a file cannot be read, or changed meanwhile; ``spec.cache`` is wrong; the disk is full.
    """
    limit = cache_limit(spec.cache, cache_dir)
    if limit == 0:
        return data
    splits = {name: cast(Decodable, split) for name, split in data.splits.items()}
    image = splits["train"].decode(0).image
    columns = list_columns(data.description, image)
    folder = cache_dir / "decoded" / f"{spec.name}-{_key(data, splits)[:16]}"
    try:
        is_kept = _keep(folder, data, splits, columns, limit)
    except DeepImageError:
        # The set has images of 8 and of 16 bits. Real numbers hold both.
        columns = list_columns(data.description, image.float())
        is_kept = _keep(folder, data, splits, columns, limit)
    if not is_kept:
        return data
    kept = {name: DecodedSplit(folder, name, columns, data.description) for name in splits}
    return replace(data, train=kept["train"], val=kept["val"], test=kept.get("test"))


def _key(data: MultiTaskData, splits: Mapping[str, Decodable]) -> str:
    """Return a hash of everything that determines the samples."""
    description = data.description
    return hash_json(
        {
            "content": data.fingerprint,
            "tasks": [[task.name, task.kind, task.num_outputs] for task in description.tasks],
            "size": description.input_size,
            "files": {name: hash_json(_stamps(split)) for name, split in splits.items()},
            "readers": _readers(),
        }
    )


def _stamps(split: Decodable) -> list[list[str | int]]:
    """Return stamps of the split's files, which include the change time.

    Unlike the write time in a fingerprint, no program can set the change time back.
    """
    found = ((path, path.stat()) for path in split.files())
    return [[str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for path, stat in found]


@cache
def _readers() -> str:
    """Return a hash of the readers' version and the libraries that they use."""
    return hash_json([READER_VERSION, {library: version(library) for library in _LIBRARIES}])


def _keep(
    folder: Path, data: MultiTaskData, splits: Mapping[str, Decodable], columns: list[Column], limit: int
) -> bool:
    """Write the folder unless it exists. Return False if it would exceed the limit."""
    if is_intact(folder):
        return True
    size = sum(map(len, splits.values())) * sum(column.bytes_per_row for column in columns)
    if size > limit:
        logger.info("%s would take %.1f GiB decoded, and may take %.1f", folder.name, size / 2**30, limit / 2**30)
        return False
    _build(folder, data, splits, columns)
    return True


def _build(folder: Path, data: MultiTaskData, splits: Mapping[str, Decodable], columns: list[Column]) -> None:
    before, names = _key(data, splits), [task.name for task in data.description.tasks]

    def build(target: Path) -> None:
        for name, split in splits.items():
            write_split(target, name, columns, _decode_all(split), len(split), task_names=names)
        write_contents(target)
        if _key(data, splits) != before:
            raise DataError("the files of the data changed while they were read.", hint="Start again.")

    try:
        obtain_folder(folder, is_intact=is_intact, build=build)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error}.", hint='Set cache = "off" in [data].') from error


def _decode_all(split: Decodable) -> Iterator[Sample]:
    """Yield every sample in order, read by several threads a little ahead of the consumer."""
    num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    step = _READ_AHEAD * num_threads
    with ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(split), step):
            yield from pool.map(split.decode, range(start, min(start + step, len(split))))
