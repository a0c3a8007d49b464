"""Layouts of CelebA's files. Three are in use."""

from dataclasses import dataclass
from pathlib import Path

from gatefront.trainer.data.dataset import DataError


@dataclass(frozen=True, slots=True)
class Layout:
    """Annotation file, file of splits and folder of aligned images of one tree."""

    name: str
    attributes: Path
    partition: Path
    images: Path

    def missing(self) -> list[Path]:
        """Return the parts that do not exist."""
        files = [path for path in (self.attributes, self.partition) if not path.is_file()]
        return files if self.images.is_dir() else [*files, self.images]


def find_layout(root: Path) -> Layout:
    """Return the layout of ``root``, or of ``root/celeba``.

    Raises:
        DataError: it has none of them; the message names what the nearest one lacks.
    """
    layouts = [layout for base in (root, root / "celeba") for layout in _layouts(base)]
    nearest = min(layouts, key=lambda layout: len(layout.missing()))
    if nearest.missing():
        raise DataError(
            f"{root} is in no known layout of CelebA: the nearest is {nearest.name}, which lacks "
            f"{', '.join(str(path.relative_to(root)) for path in nearest.missing())}.",
            hint="docs/datasets.md shows all three.",
        )
    return nearest


def _layouts(base: Path) -> list[Layout]:
    images = "img_align_celeba"
    csv = (base / "list_attr_celeba.csv", base / "list_eval_partition.csv")
    return [
        Layout("torchvision's", base / "list_attr_celeba.txt", base / "list_eval_partition.txt", base / images),
        Layout(
            "the official release",
            base / "Anno" / "list_attr_celeba.txt",
            base / "Eval" / "list_eval_partition.txt",
            base / "Img" / images,
        ),
        Layout("the CSV mirror", *csv, base / images / images),
        Layout("the CSV mirror, unpacked flat", *csv, base / images),
    ]
