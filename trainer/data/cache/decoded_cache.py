"""Data read from files are decoded once, then memory-mapped by every process that trains on them.

What is kept is each sample at the network's input size, before it is normalised or changed, without loss: a study
gets the same numbers with the cache and without it.
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
"""Raise it whenever a reader gives other samples for the same files: samples kept before are then read anew."""

logger = logging.getLogger(__name__)


@runtime_checkable
class Decodable(Protocol):
    """A split of files that always reads the same from the same files."""

    def __len__(self) -> int: ...

    def decode(self, index: int) -> Sample:
        """A sample at the input size, its image not normalised."""
        ...

    def files(self) -> Iterable[Path]: ...


def keep_decoded(data: MultiTaskData, spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """The same data, read from memory-mapped files under ``cache_dir``, written there if they are not yet.

    ``data`` is as its files say it, not augmented; both splits are :class:`Decodable`. The same object comes back if
    decoded samples take more than ``spec.cache`` allows. The files are found again by what the data are: a changed
    file, option, library or reader makes new ones.

    Raises:
        DataError: a file cannot be read, or changed meanwhile; ``spec.cache`` is wrong; the disk is full.
    """
    limit = cache_limit(spec.cache, cache_dir)
    if limit == 0:
        return data
    splits = {"train": cast(Decodable, data.train), "val": cast(Decodable, data.val)}
    image = splits["train"].decode(0).image
    columns = list_columns(data.description, image)
    folder = cache_dir / "decoded" / f"{spec.name}-{_key(data, splits)[:16]}"
    try:
        is_kept = _keep(folder, data, splits, columns, limit)
    except DeepImageError:
        # Images of 8 and of 16 bits in one set: real numbers hold both.
        columns = list_columns(data.description, image.float())
        is_kept = _keep(folder, data, splits, columns, limit)
    if not is_kept:
        return data
    train, val = (DecodedSplit(folder, name, columns, data.description) for name in splits)
    return replace(data, train=train, val=val)


def _key(data: MultiTaskData, splits: Mapping[str, Decodable]) -> str:
    """Names everything that decides what the samples hold."""
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
    """More than a fingerprint's stamps: no program can set the time of change back, as it can that of writing."""
    found = ((path, path.stat()) for path in split.files())
    return [[str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for path, stat in found]


@cache
def _readers() -> str:
    """Name what the readers give, and the libraries they read with."""
    return hash_json([READER_VERSION, {library: version(library) for library in _LIBRARIES}])


def _keep(
    folder: Path, data: MultiTaskData, splits: Mapping[str, Decodable], columns: list[Column], limit: int
) -> bool:
    """Write the folder unless it is there; False if it would take more than the limit."""
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
    """Every sample in order, read by several threads a little ahead of the one who asks."""
    num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    step = _READ_AHEAD * num_threads
    with ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(split), step):
            yield from pool.map(split.decode, range(start, min(start + step, len(split))))
