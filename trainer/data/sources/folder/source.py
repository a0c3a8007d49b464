"""Folder of the user's own as a data set.

``root/dataset.toml`` states the meaning of labels (:mod:`gatefront.trainer.data.sources.folder.manifest`). The rest is
one of

- ``root/images/``, with ``root/train.txt`` and ``root/val.txt`` naming the images of each split;
- ``root/train/images/`` and ``root/val/images/``, each with its own labels.

A third list, ``test.txt``, or a third folder, ``test/images/``, makes a test split. Without it there is none.

Beside ``images/`` there is a folder per dense task with the name of the task. It holds one picture or ``.npy`` per
image of the same name. ``labels.csv`` has the labels of tasks of whole images. An image may lack any label. Files that
are not read are listed as unused.
"""

import glob
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from gatefront.trainer.checkpoints.content_hash import hash_file, hash_json
from gatefront.trainer.data.cache.decoded_cache import keep_decoded
from gatefront.trainer.data.dataset import DataDescription, DataError, DataSpec, MultiTaskData, split_sizes
from gatefront.trainer.data.io.file_split import FileSplit, Record
from gatefront.trainer.data.io.folder_listing import file_stamps, require_root
from gatefront.trainer.data.options import parse_options
from gatefront.trainer.data.sources.folder.files import (
    IMAGE_ENDINGS,
    LABEL_ENDINGS,
    files_by_name,
    require_no_other_labels,
    why_unread,
)
from gatefront.trainer.data.sources.folder.manifest import MANIFEST, Manifest, TaskEntry, read_manifest
from gatefront.trainer.data.sources.folder.parts import Part, find_lists, find_parts
from gatefront.trainer.data.sources.folder.readers import reader_for
from gatefront.trainer.data.sources.folder.table import TABLE, read_table
from gatefront.trainer.data.sources.folder.unused import list_unused
from gatefront.trainer.data.transforms.augmentation import Augmentation, AugmentOptions, augment
from gatefront.trainer.data.transforms.warp import LabelGeometry

_READER = 2
"""Version of the reader. It increases when the same files give other samples than before."""


def describe(spec: DataSpec) -> DataDescription:
    """Return the description in ``dataset.toml``. Images are listed, not read."""
    parse_options(AugmentOptions, spec)
    root = require_root(spec, holds=f"{MANIFEST} and the images")
    manifest, parts = read_manifest(root), find_parts(root)
    height, width = manifest.input_size
    return DataDescription(
        tasks=manifest.make_tasks(),
        in_channels=3,
        input_size=(height, width),
        mean=tuple(manifest.mean),
        std=tuple(manifest.std),
        **split_sizes({split: part.names for split, part in parts.items()}),
        class_names={
            name: entry.class_names
            for name, entry in manifest.tasks.items()
            if entry.kind in ("classification", "multilabel", "segmentation")
        },
        ignored_classes={
            name: entry.ignored_classes for name, entry in manifest.tasks.items() if entry.kind == "segmentation"
        },
        depth_unit="inverse depth, as in the label files" if manifest.depth_is_inverse else "metres",
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, decoded once.

    Raises:
        DataError: the folder does not have the module's layout. The message names the first error and their number.
    """
    description = describe(spec)
    root = require_root(spec, holds=MANIFEST)
    manifest, parts = read_manifest(root), find_parts(root)
    readers = {name: reader_for(entry) for name, entry in _dense(manifest).items()}
    splits = {name: FileSplit(_find_records(part, manifest), description, readers) for name, part in parts.items()}
    tables = {str(path.relative_to(root)): hash_file(path) for path in (root / MANIFEST, *sorted(root.rglob(TABLE)))}
    stamps = {name: file_stamps(root, split.files()) for name, split in splits.items()}
    used = {root / MANIFEST, *find_lists(root), *(part.base / TABLE for part in parts.values() if _has_table(manifest))}
    data = MultiTaskData(
        description=description,
        train=splits["train"],
        val=splits["val"],
        test=splits.get("test"),
        fingerprint=hash_json({**stamps, **tables, "reader": _READER}),
        unused=tuple(
            list_unused(
                root,
                dict.fromkeys(part.base for part in parts.values()),
                _dense(manifest),
                used.union(*(split.files() for split in splits.values())),
            )
        ),
    )
    geometry = LabelGeometry(normals_point_up=manifest.normals_y == "up", depth_is_inverse=manifest.depth_is_inverse)
    changes = parse_options(AugmentOptions, spec).choose(Augmentation(flip=True, geometry=geometry))
    return augment(keep_decoded(data, spec, cache_dir), changes)


def _dense(manifest: Manifest) -> dict[str, TaskEntry]:
    whole = ("classification", "multilabel")
    return {name: entry for name, entry in manifest.tasks.items() if entry.kind not in whole}


def _has_table(manifest: Manifest) -> bool:
    return len(_dense(manifest)) < len(manifest.tasks)


def _find_records(part: Part, manifest: Manifest) -> list[Record]:
    images = files_by_name(part.base / "images", IMAGE_ENDINGS)
    if missing := [name for name in part.names if name not in images]:
        raise DataError(
            f"{part.base / 'images'} has no {missing[0]!r} ({len(missing)} of {len(part.names)} images are missing).",
            hint=_hint_of_missing(part.base / "images", missing[0], images),
        )
    maps = {task: _label_files(part.base / task, images, task) for task in _dense(manifest)}
    values = _table(part, manifest, images)
    return [
        Record(
            images[name],
            {task: (files[name],) for task, files in maps.items() if name in files},
            values.get(name, {}),
        )
        for name in part.names
    ]


def _hint_of_missing(folder: Path, name: str, images: Mapping[str, Path]) -> str:
    others = sorted(folder.glob(f"{glob.escape(name)}.*"))
    if others:
        return f"It has {others[0].name}, but {why_unread(others[0], IMAGE_ENDINGS)}."
    alike = next((path for other, path in images.items() if other.casefold() == name.casefold()), None)
    return "" if alike is None else f"It has {alike.name}: upper and lower case count."


def _label_files(folder: Path, images: Mapping[str, Path], task: str) -> dict[str, Path]:
    files = files_by_name(folder, LABEL_ENDINGS)
    require_no_other_labels(folder, images)
    foreign = sorted(files.keys() - images.keys())
    if foreign:
        raise DataError(
            f"{task}: {files[foreign[0]]} belongs to no image ({len(foreign)} of {len(files)} files do not).",
            hint="Give each label map the name of its image, with upper and lower case as they are.",
        )
    return files


def _table(part: Part, manifest: Manifest, images: Mapping[str, Path]) -> dict[str, dict[str, Tensor]]:
    if not _has_table(manifest):
        return {}
    tasks = {name: entry for name, entry in manifest.tasks.items() if name not in _dense(manifest)}
    path = part.base / TABLE
    values = read_table(path, tasks)
    foreign = sorted(values.keys() - images.keys())
    if foreign:
        raise DataError(
            f"{path}: {foreign[0]!r} is no image ({len(foreign)} of {len(values)} rows are of none).",
            hint="Remove the row, or add the image.",
        )
    return values
