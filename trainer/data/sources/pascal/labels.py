"""PASCAL-Context's labels as its multi-task benchmarks derive them, one reader per task."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import laplace
from torch import Tensor

from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.io.decode import as_classes, as_vectors, read_picture, read_yes_or_no
from gatefront.trainer.data.io.matlab import read_matlab
from gatefront.trainer.data.sources.pascal.normals_classes import NORMALS_CLASSES
from gatefront.trainer.data.sources.pascal.thinning import thin
from gatefront.trainer.data.transforms.resizing import unit_normals

SEMSEG_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip
PART_CLASSES = ("background", "head", "torso", "upper arm", "lower arm", "upper leg", "lower leg")

_VOID = 255
_PERSON = 15
# PASCAL-Part's 24 parts of a person: l and r are left and right, then l and u lower and upper.
_PARTS = {
    1: ("head", "hair", "lear", "rear", "leye", "reye", "lebrow", "rebrow", "nose", "mouth"),
    2: ("torso", "neck"),
    3: ("luarm", "ruarm"),
    4: ("llarm", "rlarm", "lhand", "rhand"),
    5: ("luleg", "ruleg"),
    6: ("llleg", "rlleg", "lfoot", "rfoot"),
}
_CLASS_OF_PART = {name: number for number, names in _PARTS.items() for name in names}


def read_semseg(path: Path) -> Tensor:
    """Read a palette PNG of VOC's 21 classes, 255 void."""
    return as_classes(path, read_picture(path, num_channels=1), num_classes=len(SEMSEG_CLASSES), ignored=(_VOID,))


def read_human_parts(path: Path) -> Tensor | None:
    """Read six parts of people over background, merged from PASCAL-Part's 24; None if nobody has any.

    Objects and parts are painted in the file's order, so later ones cover earlier ones.
    """
    parts: NDArray[np.int64] | None = None
    for person in _entries(read_matlab(path, "anno"), "objects", path):
        if _field(person, "class_ind", path) != _PERSON:
            continue
        for part in _entries(person, "parts", path):
            mask = np.asarray(_field(part, "mask", path)).astype(bool)
            parts = np.zeros(mask.shape, np.int64) if parts is None else parts
            if mask.shape != parts.shape:
                raise DataError(f"{path}: masks of {mask.shape} and of {parts.shape} in one image.")
            parts[mask] = _class_of_part(_field(part, "part_name", path), path)
    return None if parts is None or not parts.any() else torch.from_numpy(parts)


def read_edges(path: Path) -> Tensor:
    """Return edges, where the numbers of the label map change (its Laplacian is not zero), thinned to lines."""
    changes = laplace(_label_map(path).astype(np.float64), mode="mirror") != 0
    return torch.from_numpy(thin(changes).astype(np.float32))[None]


def read_normals(path: Path, label_map: Path) -> Tensor:
    """Read predicted normals (an RGB PNG of ``255 (n + 1) / 2``), unknown at labels that NYU-v2 does not name."""
    vectors = as_vectors(read_picture(path, num_channels=3))
    labels = _label_map(label_map)
    if labels.shape != vectors.shape[:2]:
        raise DataError(f"{path} is {_size(vectors)}, its label map {label_map} is {_size(labels)}.")
    counts = np.isin(labels, list(NORMALS_CLASSES.values()))
    return unit_normals(torch.from_numpy(vectors).movedim(-1, 0), torch.from_numpy(~counts))


def read_saliency(path: Path) -> Tensor:
    """Read a gray PNG of probabilities, salient above one half."""
    return read_yes_or_no(path, is_soft=True)


def _label_map(path: Path) -> NDArray[Any]:
    labels = np.asarray(read_matlab(path, "LabelMap"))
    if labels.ndim != 2:
        raise DataError(f"{path}: LabelMap has shape {labels.shape}, expected rows and columns.")
    return labels


def _entries(owner: Any, field: str, path: Path) -> list[Any]:
    """Return a struct array as a list, also if MATLAB stored no entry or a single one."""
    found = _field(owner, field, path)
    return [found] if isinstance(found, dict) else list(np.atleast_1d(np.asarray(found, dtype=object)))


def _field(owner: Any, field: str, path: Path) -> Any:
    if not isinstance(owner, dict) or field not in owner:
        raise DataError(f"{path} has no {field!r}.", hint="It is not in PASCAL-Part's format.")
    return owner[field]


def _class_of_part(name: str, path: Path) -> int:
    if name not in _CLASS_OF_PART:
        raise DataError(f"{path}: a person has the part {name!r}, expected one of {', '.join(sorted(_CLASS_OF_PART))}.")
    return _CLASS_OF_PART[name]


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
