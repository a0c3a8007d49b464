"""The `rooms` data set: its tasks, its options, and its splits."""

from pathlib import Path

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.cache.array_cache import Arrays, Split, load_generated
from gatefront.trainer.data.dataset import DataDescription, DataSpec, MultiTaskData
from gatefront.trainer.data.options import resolve_whole_numbers
from gatefront.trainer.data.sources.rooms.render import CLASS_NAMES, render_rooms

_VERSION = 1
_FIRST_TEST_SEED = 2**40
_DEFAULTS = {"train_size": 2_000, "val_size": 300, "test_size": 300, "height": 32, "width": 48, "seed": 0}
_MINIMUM = {"train_size": 1, "val_size": 1, "test_size": 0, "height": 8, "width": 8, "seed": 0}

_TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=len(CLASS_NAMES)),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
    Task(name="edges", kind="edges", num_outputs=1),
)


def describe(spec: DataSpec) -> DataDescription:
    """Return tasks ``semseg`` (structure of the room, pattern of the things), ``depth``, ``normals`` and ``edges``."""
    options = resolve_whole_numbers(spec.name, spec.options, defaults=_DEFAULTS, minimum=_MINIMUM)
    return DataDescription(
        tasks=_TASKS,
        in_channels=3,
        input_size=(options["height"], options["width"]),
        # ImageNet's statistics, so that a pretrained backbone sees what it was trained on.
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        num_train=options["train_size"],
        num_val=options["val_size"],
        num_test=options["test_size"],
        class_names={"semseg": CLASS_NAMES},
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits. No room is in two of them."""
    description = describe(spec)
    options = resolve_whole_numbers(spec.name, spec.options, defaults=_DEFAULTS, minimum=_MINIMUM)

    def render(split: Split) -> Arrays:
        seed = _split_seed(split, options["seed"])
        return render_rooms(options[f"{split}_size"], image_size=description.input_size, seed=seed)

    return load_generated(spec.name, options | {"version": _VERSION}, description, render=render, cache_dir=cache_dir)


def _split_seed(split: Split, seed: int) -> int:
    """Return the seed of a split's rooms: two per ``seed`` option, and a third far from those of every option."""
    return seed + _FIRST_TEST_SEED if split == "test" else 2 * seed + (split == "val")
