"""Trees of numbered files, ``root/SPLIT/FOLDER/0.npy`` and so on, as LibMTL, MTAN and auto-lambda write them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gatefront.trainer.data.dataset import DataDescription, DataError, DataSpec, MultiTaskData
from gatefront.trainer.data.held_out import blocks_of_numbers, make_splits
from gatefront.trainer.data.io.file_data import gather_splits
from gatefront.trainer.data.io.file_split import FileSplit, Reader, Record
from gatefront.trainer.data.io.folder_listing import require_root, require_suffix
from gatefront.trainer.data.sources.tree_size import Channels, SizedOptions, find_size, require_one_size
from gatefront.trainer.data.transforms.resizing import Size


@dataclass(frozen=True, slots=True)
class NumberedFolder:
    """Folder with one file per image, the ending of their names, and their channels after height and width."""

    name: str
    suffix: str
    channels: Channels

    def file(self, split: Path, number: int) -> Path:
        return split / self.name / f"{number}{self.suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedTree:
    """Layout of a tree: a folder of images, and per task a folder and the reader of its files.

    ``hint`` is shown for a tree with another layout.
    """

    images: NumberedFolder
    read_image: Callable[[Path], Tensor]
    labels: Mapping[str, tuple[NumberedFolder, Reader]]
    hint: str


def find_numbered_size(spec: DataSpec, images: NumberedFolder, options: SizedOptions, *, published: Size) -> Size:
    """Return the size that a network will see: the option's, else that of the first training image.

    Raises:
        DataError: that image cannot be read.
    """
    first = None if spec.root is None else images.file(Path(spec.root) / "train", 0)
    return find_size(first, images.channels, options, published=published)


def load_numbered(
    spec: DataSpec, description: DataDescription, tree: NumberedTree, options: SizedOptions
) -> MultiTaskData:
    """Load the folders ``train`` and ``val`` of a tree. Blocks of training numbers validate, and ``val`` is the test.

    Raises:
        DataError: a folder is missing or has another layout, numbers are missing, an array has another layout, or
        sizes differ and the options name none. The message names the first offender and their number.
    """
    root = require_root(spec, holds="train/ and val/")
    readers = {task: read for task, (_, read) in tree.labels.items()}
    size = None if options.size is not None else description.input_size
    first_image = tree.images.file(root / "train", 0)
    train, official = (_find_records(root / split, tree, size, first_image) for split in ("train", "val"))
    groups = blocks_of_numbers(len(train))
    parted = make_splits(train, official, groups, options.val_share, where=str(root / "train"))
    splits = {
        name: FileSplit(records, description, readers, read_image=tree.read_image) for name, records in parted.items()
    }
    return gather_splits(root, description, splits, is_resized=options.size is not None)


def _find_records(split: Path, tree: NumberedTree, size: Size | None, first_image: Path) -> list[Record]:
    folders = {"images": tree.images, **{task: folder for task, (folder, _) in tree.labels.items()}}
    counts = {what: _count_files(split / part.name, part.suffix, what, tree.hint) for what, part in folders.items()}
    count = counts["images"]
    for what, found in counts.items():
        if found != count:
            raise DataError(
                f"{what}: {split / folders[what].name} has {found} files, {split / tree.images.name} has {count}."
            )
    for folder in folders.values():
        files = [folder.file(split, number) for number in range(count)]
        require_one_size(files, folder.channels, size=size, first_image=first_image)
    return [
        Record(
            tree.images.file(split, number),
            {task: (folder.file(split, number),) for task, (folder, _) in tree.labels.items()},
        )
        for number in range(count)
    ]


def _count_files(folder: Path, suffix: str, what: str, hint: str) -> int:
    """Return the number of files. Their names must be the numbers below it."""
    require_suffix(folder, [suffix], what=what, hint=hint)
    # macOS leaves a hidden `._0.npy` beside `0.npy`.
    stems = {path.stem for path in folder.iterdir() if path.suffix == suffix and not path.name.startswith(".")}
    foreign = sorted(stem for stem in stems if not stem.isdecimal() or stem != str(int(stem)))
    if foreign:
        raise DataError(f"{what}: {folder} has {foreign[0]}{suffix}, expected numbers ({len(foreign)} are none).")
    numbers = set(map(int, stems))
    gaps = sorted(set(range(max(numbers) + 1)) - numbers)
    if gaps:
        raise DataError(
            f"{what}: {folder} has no {gaps[0]}{suffix}, though its numbers go on to {max(numbers)} "
            f"({len(gaps)} are missing).",
            hint="Copy the folder again.",
        )
    return len(numbers)
