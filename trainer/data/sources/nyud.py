"""`nyud`: NYUD-v2 with 40 classes, in the layouts of the multi-task survey and of ASTMT (both NYUD_MT).

``root/gt_sets/{train,val}.txt`` name the images. Each name has ``images/NAME.jpg`` and one file per task, unless its
label is missing. The two archives of that name differ in the labels, and the endings show which one it is:

- ``segmentation/``: ``.png``, or ``.mat`` (``segmentation``); 0 unlabeled, 1 to 40 a class;
- ``depth/``: ``.npy``, or ``.mat`` (``depth``); meters, 0 missing;
- ``normals/``: ``.npy`` (``[h, w, 3]``, zero vector missing), or ``.jpg`` (``255 (n + 1) / 2``, none missing);
- ``edge/``: ``.npy`` of 0 and 1, or ``.png`` of 0 and 255; read with the option ``edges``.

They are published at 480x640. Any other size is read too. The names of ``val.txt`` are the test. Whole runs of
consecutive numbers of ``train.txt`` validate, by the option ``val_share``: the numbers go scene by scene, as do the
splits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.cache.decoded_cache import keep_decoded
from gatefront.trainer.data.dataset import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    DataDescription,
    DataError,
    DataSpec,
    MultiTaskData,
)
from gatefront.trainer.data.held_out import make_splits, published_counts, runs_of_numbers
from gatefront.trainer.data.io.decode import as_classes, as_vectors, read_array, read_picture, read_yes_or_no
from gatefront.trainer.data.io.file_data import gather_splits
from gatefront.trainer.data.io.file_split import FileSplit, Reader, Record
from gatefront.trainer.data.io.folder_listing import (
    read_names,
    require_files,
    require_no_overlap,
    require_root,
    require_suffix,
)
from gatefront.trainer.data.io.matlab import read_matlab
from gatefront.trainer.data.options import parse_options
from gatefront.trainer.data.sources.tree_size import (
    PICTURE,
    Channels,
    SizedOptions,
    find_size,
    require_one_size,
    require_size,
    tell_size,
)
from gatefront.trainer.data.transforms.augmentation import Augmentation, augment
from gatefront.trainer.data.transforms.resizing import Size, unit_normals

_SIZE = (480, 640)  # as published
_CLASS_NAMES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip

_TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=len(_CLASS_NAMES)),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)
_EDGES = Task(name="edges", kind="edges", num_outputs=1)
_PUBLISHED = Augmentation(flip=True, scales=(1.0, 1.2, 1.5))
_NUMBERS: Channels = ((), (1,))
_VECTORS: Channels = ((3,),)
_FOLDERS = {"semseg": "segmentation", "depth": "depth", "normals": "normals", "edges": "edge"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NyudOptions(SizedOptions):
    """Options of NYUD-v2. ``edges`` adds them as a fourth task."""

    edges: bool = False


def describe(spec: DataSpec) -> DataDescription:
    """Return tasks ``semseg`` (40 classes), ``depth`` and ``normals``, with the published numbers of images."""
    options = parse_options(NyudOptions, spec)
    return DataDescription(
        tasks=(*_TASKS, _EDGES) if options.edges else _TASKS,
        in_channels=3,
        input_size=find_size(_first_image(spec), PICTURE, options, published=_SIZE),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        **published_counts(795, 654, options.val_share),
        class_names={"semseg": _CLASS_NAMES},
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, decoded once. A missing label file is a gap.

    Raises:
        DataError: there is no root, a list or an image is missing, labels are in another layout, or sizes differ
            and the options name none.
    """
    description, options = describe(spec), parse_options(NyudOptions, spec)
    root = require_root(spec, holds="gt_sets/ and images/")
    tell_size(spec.name, description.input_size, published=_SIZE)
    suffixes = {task.name: _suffix(root, task.name) for task in description.tasks}
    train, official = (read_names(_list(root, split)) for split in ("train", "val"))
    require_no_overlap(train, official, what=str(root / "gt_sets"))
    parted = make_splits(train, official, runs_of_numbers(train), options.val_share, where=str(_list(root, "train")))
    size = None if options.size is not None else description.input_size
    first_image = _image(root, train[0])
    readers = {task: _reader(task, suffix, size, first_image) for task, suffix in suffixes.items()}
    splits = {
        name: FileSplit(_find_files(root, names, suffixes, size, first_image), description, readers)
        for name, names in parted.items()
    }
    data = gather_splits(root, description, splits, is_resized=options.size is not None)
    return augment(keep_decoded(data, spec, cache_dir), options.choose(_PUBLISHED))


def _first_image(spec: DataSpec) -> Path | None:
    """Return the image whose size counts; None if the tree does not exist here."""
    if spec.root is None or not _list(Path(spec.root), "train").is_file():
        return None
    return _image(Path(spec.root), read_names(_list(Path(spec.root), "train"))[0])


def _list(root: Path, split: str) -> Path:
    return root / "gt_sets" / f"{split}.txt"


def _image(root: Path, name: str) -> Path:
    return root / "images" / f"{name}.jpg"


def _reader(task: str, suffix: str, size: Size | None, first_image: Path) -> Reader:
    reader = _READERS[task][suffix]
    # A MATLAB file's header does not state the size of its array.
    return require_size(reader, size, first_image) if suffix == ".mat" and size is not None else reader


def _suffix(root: Path, task: str) -> str:
    return require_suffix(
        root / _FOLDERS[task],
        _READERS[task],
        what=task,
        hint="This is neither the survey's layout of NYUD-v2 nor ASTMT's; other archives keep labels differently.",
    )


def _find_files(
    root: Path, names: list[str], suffixes: Mapping[str, str], size: Size | None, first_image: Path
) -> list[Record]:
    images = [_image(root, name) for name in names]
    require_files(images, what="images")
    require_one_size(images, PICTURE, size=size, first_image=first_image)
    records = []
    for name, image in zip(names, images, strict=True):
        files = {task: root / _FOLDERS[task] / f"{name}{suffix}" for task, suffix in suffixes.items()}
        records.append(Record(image, {task: (path,) for task, path in files.items() if path.is_file()}))
    for task, suffix in suffixes.items():
        if suffix != ".mat":
            found = [record.labels[task][0] for record in records if task in record.labels]
            channels = _VECTORS if (task, suffix) == ("normals", ".npy") else _NUMBERS
            require_one_size(found, channels, size=size, first_image=first_image)
    return records


def _classes(path: Path, numbers: NDArray[Any]) -> Tensor:
    return as_classes(path, _flat(path, numbers), num_classes=len(_CLASS_NAMES), ignored=(0,), first=1)


def _metres(path: Path, values: NDArray[Any]) -> Tensor:
    depth = torch.from_numpy(_flat(path, values).astype(np.float32))[None]
    return torch.where(depth == 0, torch.nan, depth)


def _flat(path: Path, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim < 2 or array.shape[2:] not in _NUMBERS:
        raise DataError(f"{path} is {'x'.join(map(str, array.shape))}, expected height x width.")
    return array.reshape(array.shape[:2])


def _read_semseg_png(path: Path) -> Tensor:
    return _classes(path, read_picture(path, num_channels=1))


def _read_semseg_mat(path: Path) -> Tensor:
    return _classes(path, np.asarray(read_matlab(path, "segmentation")))


def _read_depth_npy(path: Path) -> Tensor:
    return _metres(path, read_array(path))


def _read_depth_mat(path: Path) -> Tensor:
    return _metres(path, np.asarray(read_matlab(path, "depth")))


def _read_normals_npy(path: Path) -> Tensor:
    vectors = torch.from_numpy(read_array(path).astype(np.float32)).movedim(-1, 0)
    return unit_normals(vectors, (vectors == 0).all(dim=0))


def _read_normals_jpg(path: Path) -> Tensor:
    vectors = torch.from_numpy(as_vectors(read_picture(path, num_channels=3))).movedim(-1, 0)
    return unit_normals(vectors, torch.zeros(vectors.shape[1:], dtype=torch.bool))


def _read_edges_npy(path: Path) -> Tensor:
    return torch.from_numpy(_flat(path, read_array(path)).astype(np.float32))[None]


def _read_edges_png(path: Path) -> Tensor:
    return read_yes_or_no(path)


_READERS: dict[str, dict[str, Reader]] = {
    "semseg": {".png": _read_semseg_png, ".mat": _read_semseg_mat},
    "depth": {".npy": _read_depth_npy, ".mat": _read_depth_mat},
    "normals": {".npy": _read_normals_npy, ".jpg": _read_normals_jpg},
    "edges": {".npy": _read_edges_npy, ".png": _read_edges_png},
}
