"""`pascal-context`: what is known of PASCAL-Context with five tasks, enough to plan and to count networks."""

from pathlib import Path
from typing import NoReturn

from spaces.tasks import Task
from trainer.data.dataset import IMAGENET_MEAN, IMAGENET_STD, DataDescription, DataError, DataSpec
from trainer.data.options import refuse_options

_CLASS_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip
_PART_NAMES = ("background", "head", "torso", "upper arm", "lower arm", "upper leg", "lower leg")

_TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=len(_CLASS_NAMES)),
    Task(name="human_parts", kind="segmentation", num_outputs=len(_PART_NAMES)),
    Task(name="saliency", kind="saliency", num_outputs=1),
    Task(name="edges", kind="edges", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)


def describe(spec: DataSpec) -> DataDescription:
    """The five tasks of the multi-task benchmarks at 512x512, with the published numbers of images."""
    refuse_options(spec)
    return DataDescription(
        tasks=_TASKS,
        in_channels=3,
        input_size=(512, 512),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        num_train=4998,
        num_val=5105,
        class_names={"semseg": _CLASS_NAMES, "human_parts": _PART_NAMES},
    )


def load(spec: DataSpec, cache_dir: Path) -> NoReturn:
    """Raises :class:`DataError`: its labels lie in MATLAB files of several archives, which have no reader yet."""
    raise DataError(
        f"data {spec.name}: this version knows the set's tasks and sizes, but cannot read its files yet.",
        hint="`gatefront flops` works. To train, write a loader as docs/adding-data.md says.",
    )
