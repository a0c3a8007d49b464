"""Checks of a data set's files: how its images are read, and which files are unused."""

from collections import Counter
from collections.abc import Iterator

from gatefront.search.doctor.check import Check
from gatefront.search.doctor.label_counts import evenly_spaced
from gatefront.trainer.data import MultiTaskData
from gatefront.trainer.data.io.picture_file import TURNED, describe_image
from gatefront.trainer.data.loader import num_samples

_MOST_HEADERS = 2000  # of a split


def check_files(data: MultiTaskData) -> Iterator[Check]:
    """Yield the checks of images and of unused files. Data that have no files have none."""
    if data.files:
        yield _check_images(data)
        yield _check_unused(data)


def _check_images(data: MultiTaskData) -> Check:
    """Count the images by the way in which they are read.

    Pictures are read by their mode. Arrays are read as they are.
    """
    paths = [
        files.image_file(index)
        for name, files in data.files.items()
        for index in evenly_spaced(num_samples(data.splits[name]), _MOST_HEADERS)
    ]
    treatments = ["array: as it is" if path.suffix == ".npy" else describe_image(path) for path in paths]
    counts = Counter(treatments)
    lines = [f"{count:,} of {len(paths):,}  {treatment}" for treatment, count in counts.most_common()]
    turned = [path for path, treatment in zip(paths, treatments, strict=True) if TURNED in treatment]
    if turned and any(task.is_dense for task in data.description.tasks):
        lines.append(f"label maps are taken as upright beside images that are turned, first {turned[0]}")
    return Check("images", True, f"read in {len(counts)} way{'s' if len(counts) > 1 else ''}", tuple(lines))


def _check_unused(data: MultiTaskData) -> Check:
    if not data.unused:
        return Check("files", True, "none is known to be unused")
    lines = [
        f"{group.first}" + (f" and {group.count - 1:,} more" if group.count > 1 else "") + f": {group.reason}"
        for group in data.unused
    ]
    total = sum(group.count for group in data.unused)
    return Check("files", True, f"{total:,} unused", tuple(lines))
