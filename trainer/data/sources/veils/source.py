"""The `veils` data set: its tasks, its options, and its splits.

A scene is cloth of four striped pieces, fog before it, and three panes of tinted glass in front. Each task needs what
the two others must not react to, so the tasks conflict:

- ``stripes`` names the direction of the stripes at each pixel. It needs waves of a few pixels, at any brightness and
  any contrast: a pane or more fog must not change the answer.
- ``depth`` is the thickness of the fog. It needs just the brightness and contrast that ``stripes`` must ignore, over
  wide areas: neither direction nor phase of stripes, nor the steps at the borders of panes, may change it.
- ``panes`` names the form of the pane at each pixel: disc, square or triangle. It needs steps of brightness along
  closed lines. Stripes have steps everywhere, and fog shifts the brightness.

A channel that serves one task carries noise into the others. In narrow networks that share all channels, the tasks
compete for them. In `rooms` they do not, as its labels all follow from the same surfaces.
"""

from collections.abc import Mapping
from pathlib import Path

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.cache.array_cache import Arrays, Split, load_generated
from gatefront.trainer.data.dataset import DataDescription, DataSpec, MultiTaskData
from gatefront.trainer.data.options import resolve_whole_numbers
from gatefront.trainer.data.sources.veils.render import FORMS, NUM_DIRECTIONS, render_veils

_VERSION = 1
_DEFAULTS = {"train_size": 2_000, "val_size": 300, "test_size": 300, "height": 32, "width": 48, "seed": 0}
_MINIMUM = {"train_size": 1, "val_size": 1, "test_size": 0, "height": 8, "width": 8, "seed": 0}
_RNG_OF: Mapping[Split, int] = {"train": 0, "val": 1, "test": 2}

_TASKS = (
    Task(name="stripes", kind="segmentation", num_outputs=NUM_DIRECTIONS),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="panes", kind="segmentation", num_outputs=len(FORMS)),
)


def describe(spec: DataSpec) -> DataDescription:
    """Return tasks ``stripes`` (their direction), ``depth`` (of the fog) and ``panes`` (their form)."""
    options = resolve_whole_numbers(spec.name, spec.options, defaults=_DEFAULTS, minimum=_MINIMUM)
    return DataDescription(
        tasks=_TASKS,
        in_channels=1,
        input_size=(options["height"], options["width"]),
        mean=(0.63,),  # measured on the default training split
        std=(0.18,),
        num_train=options["train_size"],
        num_val=options["val_size"],
        num_test=options["test_size"],
        class_names={
            "stripes": tuple(f"{180 * step // NUM_DIRECTIONS} degrees" for step in range(NUM_DIRECTIONS)),
            "panes": FORMS,
        },
    )


def load(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits. No scene is in two of them."""
    description = describe(spec)
    options = resolve_whole_numbers(spec.name, spec.options, defaults=_DEFAULTS, minimum=_MINIMUM)

    def render(split: Split) -> Arrays:
        seed = [options["seed"], _RNG_OF[split]]
        return render_veils(options[f"{split}_size"], image_size=description.input_size, seed=seed)

    return load_generated(spec.name, options | {"version": _VERSION}, description, render=render, cache_dir=cache_dir)
