"""`pascal-context`: PASCAL-Context with five tasks, as the multi-task survey distributes it (PASCAL_MT).

``root/ImageSets/Context/{train,val}.txt`` name the images. For each name there are

- ``JPEGImages/NAME.jpg``, of any size;
- ``semseg/VOC12/NAME.png`` or, if that is missing, ``semseg/pascal-context/NAME.png``: 21 classes, 255 void;
- ``human_parts/NAME.mat`` (PASCAL-Part's ``anno``): six parts of people; unlabeled without people;
- ``pascal-context/trainval/NAME.mat`` (``LabelMap``, 459 labels): edges are where it changes;
- ``normals_distill/NAME.png``: normals predicted by a network, ignored at labels that NYU-v2 does not name;
- ``sal_distill/NAME.png``: saliency predicted by a network.

Every file must exist, as the public loaders require. Parts and edges are derived when an image is read. Nothing is
written into ``root``. Images and labels of any shape are resized to 512x512 or to the option ``size``. The names of
``val.txt`` are the test. Some of ``train.txt`` validate, by the option ``val_share``.
"""

from collections.abc import Mapping
from pathlib import Path

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.cache.decoded_cache import keep_decoded
from gatefront.trainer.data.dataset import IMAGENET_MEAN, IMAGENET_STD, DataDescription, DataSpec, MultiTaskData
from gatefront.trainer.data.held_out import make_splits, published_counts
from gatefront.trainer.data.io.file_data import gather_splits
from gatefront.trainer.data.io.file_split import FileSplit, Reader, Record
from gatefront.trainer.data.io.folder_listing import read_names, require_files, require_no_overlap, require_root
from gatefront.trainer.data.options import parse_options
from gatefront.trainer.data.sources.pascal.labels import (
    PART_CLASSES,
    SEMSEG_CLASSES,
    read_edges,
    read_human_parts,
    read_normals,
    read_saliency,
    read_semseg,
)
from gatefront.trainer.data.sources.tree_size import SizedOptions, tell_size
from gatefront.trainer.data.transforms.augmentation import Augmentation, augment
from gatefront.trainer.data.transforms.warp import LabelGeometry

_SIZE = (512, 512)  # as published
_TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=len(SEMSEG_CLASSES)),
    Task(name="human_parts", kind="segmentation", num_outputs=len(PART_CLASSES)),
    Task(name="saliency", kind="saliency", num_outputs=1),
    Task(name="edges", kind="edges", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)
_PUBLISHED = Augmentation(
    flip=True, scale_range=(0.75, 1.25), rotation=20.0, geometry=LabelGeometry(normals_point_up=False)
)
_READERS: Mapping[str, Reader] = {
    "semseg": read_semseg,
    "human_parts": read_human_parts,
    "saliency": read_saliency,
    "edges": read_edges,
    "normals": read_normals,
}


def describe(spec: DataSpec) -> DataDescription:
    """Return the five tasks of the multi-task benchmarks, with the published numbers of images."""
    options = parse_options(SizedOptions, spec)
    return DataDescription(
        tasks=_TASKS,
        in_channels=3,
        input_size=options.resized_to() or _SIZE,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        **published_counts(4998, 5105, options.val_share),
        class_names={"semseg": SEMSEG_CLASSES, "human_parts": PART_CLASSES},
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits, decoded once.

    Raises:
        DataError: there is no root, or a list or a file is missing.
    """
    description, options = describe(spec), parse_options(SizedOptions, spec)
    root = require_root(spec, holds="ImageSets/, JPEGImages/ and the labels")
    tell_size(spec.name, description.input_size, published=_SIZE)
    lists = root / "ImageSets" / "Context"
    train, official = (read_names(lists / f"{split}.txt") for split in ("train", "val"))
    require_no_overlap(train, official, what=str(lists))
    # Each name is a photograph of its own, so each is its own group.
    parted = make_splits(train, official, train, options.val_share, where=str(lists / "train.txt"))
    splits = {name: FileSplit(_find_files(root, names), description, _READERS) for name, names in parted.items()}
    data = gather_splits(root, description, splits, is_resized=options.size is not None)
    return augment(keep_decoded(data, spec, cache_dir), options.choose(_PUBLISHED))


def _find_files(root: Path, names: list[str]) -> list[Record]:
    images = [root / "JPEGImages" / f"{name}.jpg" for name in names]
    require_files(images, what="images")
    files: dict[str, list[tuple[Path, ...]]] = {
        "semseg": [(_semseg_file(root, name),) for name in names],
        "human_parts": [(root / "human_parts" / f"{name}.mat",) for name in names],
        "saliency": [(root / "sal_distill" / f"{name}.png",) for name in names],
        "edges": [(_label_map_file(root, name),) for name in names],
        "normals": [(root / "normals_distill" / f"{name}.png", _label_map_file(root, name)) for name in names],
    }
    for task, found in files.items():
        require_files([paths[0] for paths in found], what=task, hint="The survey's PASCAL_MT has it for every image.")
    return [
        Record(image, {task: found[position] for task, found in files.items()}) for position, image in enumerate(images)
    ]


def _semseg_file(root: Path, name: str) -> Path:
    voc = root / "semseg" / "VOC12" / f"{name}.png"
    return voc if voc.is_file() else root / "semseg" / "pascal-context" / f"{name}.png"


def _label_map_file(root: Path, name: str) -> Path:
    return root / "pascal-context" / "trainval" / f"{name}.mat"
