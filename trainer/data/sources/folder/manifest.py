"""``dataset.toml``: the meaning of a folder's labels."""

import tomllib
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.spaces.errors import SpaceError
from gatefront.trainer.data.dataset import IMAGENET_MEAN, IMAGENET_STD, DataError
from gatefront.trainer.data.options import nearest_known
from gatefront.trainer.data.sources.folder.places import require_places

MANIFEST = "dataset.toml"

_WITH_CLASSES = ("classification", "multilabel", "segmentation")
_ONLY_OF: Mapping[str, TaskKind] = {
    "first_class": "segmentation",
    "ignore": "segmentation",
    "scale": "depth",
    "missing": "depth",
}
"""Keys of a single kind of task. They are refused for others, where they would have no effect."""
_NUM_OUTPUTS = {"depth": 1, "normals": 3, "edges": 1, "saliency": 1}
Three = Annotated[list[float], Field(min_length=3, max_length=3)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TaskEntry(_Strict):
    """``[tasks.NAME]``.

    Kinds with classes list their names, or only their number. The classes of a segmentation are numbered from
    ``first_class``, and ``ignore`` lists the values that are no class. A depth is ``scale`` times the file's number,
    and the number ``missing`` marks unknown depth.
    """

    kind: TaskKind
    classes: list[str] | None = None
    num_classes: Annotated[int, Field(ge=1)] | None = None
    first_class: Annotated[int, Field(ge=0)] = 0
    ignore: list[int] = [255]
    scale: Annotated[float, Field(gt=0)] = 1.0
    missing: float = 0.0
    metric: str | None = None

    @model_validator(mode="after")
    def _has_classes_if_it_needs_them(self) -> "TaskEntry":
        given = (self.classes is not None) + (self.num_classes is not None)
        if given != (self.kind in _WITH_CLASSES):
            rule = "needs either classes or num_classes" if self.kind in _WITH_CLASSES else "has no classes"
            raise ValueError(f"a {self.kind} task {rule}")
        if self.kind == "multilabel" and self.classes is None:
            raise ValueError("a multilabel task needs classes: they are the columns of labels.csv")
        if self.classes is not None and len(set(self.classes)) != len(self.classes):
            raise ValueError("classes has a name twice")
        for key, kind in _ONLY_OF.items():
            if key in self.model_fields_set and self.kind != kind:
                raise ValueError(f"only a task of kind {kind} has the key {key}, found it in one of kind {self.kind}")
        return self

    @property
    def ignored_classes(self) -> tuple[int, ...]:
        """Classes that no label can have, because their number is ignored."""
        return tuple(
            number - self.first_class for number in self.ignore if 0 <= number - self.first_class < self.num_outputs
        )

    @property
    def num_outputs(self) -> int:
        return len(self.classes) if self.classes is not None else self.num_classes or _NUM_OUTPUTS[self.kind]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes as given, or their numbers."""
        return tuple(self.classes) if self.classes is not None else tuple(map(str, range(self.num_outputs)))


class Manifest(_Strict):
    """The whole file. ``mean`` and ``std`` are of the images' channels in [0, 1]; ImageNet's by default.

    The last two fields matter for augmentation: the direction of the normals' y, and whether depth is inverse.
    """

    input_size: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]
    tasks: Annotated[dict[str, TaskEntry], Field(min_length=1)]
    mean: Three = list(IMAGENET_MEAN)
    std: Three = list(IMAGENET_STD)
    normals_y: Literal["up", "down"] = "up"
    depth_is_inverse: bool = False

    def make_tasks(self) -> tuple[Task, ...]:
        return tuple(
            Task(name=name, kind=entry.kind, num_outputs=entry.num_outputs, metric=entry.metric)
            for name, entry in self.tasks.items()
        )

    def require_places(self, path: Path) -> None:
        """Raise ``DataError`` for names of tasks and classes that cannot name a folder or column of labels.

        ``path`` is the file's name in messages.
        """
        whole = {name: entry for name, entry in self.tasks.items() if entry.kind in ("classification", "multilabel")}
        columns = (entry.class_names if entry.kind == "multilabel" else (name,) for name, entry in whole.items())
        require_places(path, folders=self.tasks.keys() - whole.keys(), columns=chain.from_iterable(columns))


def read_manifest(root: Path) -> Manifest:
    """Read the folder's ``dataset.toml``.

    Raises:
        DataError: it cannot be read, is not TOML or breaks a rule. The message names the first offending key, and
        for an unknown key the nearest known one.
    """
    path = root / MANIFEST
    try:
        manifest = Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
        manifest.make_tasks()
        manifest.require_places(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", hint="docs/adding-data.md shows one.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8.", hint="Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        raise _explain(path, error) from error
    except SpaceError as error:
        raise DataError(f"{path}: {error.message}", hint=error.hint) from error
    return manifest


def _explain(path: Path, error: ValidationError) -> DataError:
    details = error.errors(include_url=False)
    # An unknown key is the likeliest cause of other errors, so it is named first.
    unknown = [detail for detail in details if detail["type"] == "extra_forbidden"]
    detail = (unknown or details)[0]
    place = ".".join(str(part) for part in detail["loc"])
    if unknown:
        known = TaskEntry.model_fields if len(detail["loc"]) > 1 else Manifest.model_fields
        key = str(detail["loc"][-1])
        return DataError(f"{path}: {place} is an unknown key.", hint=nearest_known("key", key, known))
    found = f" (found {detail['input']!r})" if detail["type"] not in ("value_error", "missing") else ""
    return DataError(f"{path}: {place}: {detail['msg'].removeprefix('Value error, ')}{found}.")
