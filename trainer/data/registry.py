"""Data sets that gatefront knows, by name. Others are named by the class that loads them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gatefront.trainer.data.dataset import DataDescription, DataError, DataSpec, MultiTaskData, OptionValue
from gatefront.trainer.data.labelled import require_labels
from gatefront.trainer.data.options import nearest_known
from gatefront.trainer.data.sources import (
    celeba,
    cityscapes_parts,
    digits,
    folder,
    libmtl,
    multi_mnist,
    nyud,
    pascal,
    rooms,
    veils,
)
from gatefront.trainer.data.sources.user_class import describe_user_data, is_user_source, load_user_data


@dataclass(frozen=True, slots=True)
class DataSource:
    """Functions that describe a data set (without reading data) and load it (cached under a folder).

    A generated set has no files of its own, so it takes no root. ``earlier`` are the options with which releases before
    there was a test split described and loaded it.
    """

    describe: Callable[[DataSpec], DataDescription]
    load: Callable[[DataSpec, Path], MultiTaskData]
    is_generated: bool = False
    earlier: Mapping[str, OptionValue] = field(default_factory=dict)


_NO_TEST: Mapping[str, OptionValue] = {"test_size": 0}
_OFFICIAL: Mapping[str, OptionValue] = {"val_share": 0.0}

DATA_SOURCES: Mapping[str, DataSource] = {
    "celeba": DataSource(celeba.describe, celeba.load),
    "cityscapes": DataSource(libmtl.describe_cityscapes, libmtl.load_cityscapes, earlier=_OFFICIAL),
    "cityscapes-parts": DataSource(cityscapes_parts.describe, cityscapes_parts.load, earlier=_OFFICIAL),
    "digits": DataSource(digits.describe, digits.load, is_generated=True, earlier=_NO_TEST),
    "folder": DataSource(folder.describe, folder.load),
    "multi-mnist": DataSource(multi_mnist.describe, multi_mnist.load),
    "nyud": DataSource(nyud.describe, nyud.load, earlier=_OFFICIAL),
    "nyuv2": DataSource(libmtl.describe_nyuv2, libmtl.load_nyuv2, earlier=_OFFICIAL),
    "pascal-context": DataSource(pascal.describe, pascal.load, earlier=_OFFICIAL),
    "rooms": DataSource(rooms.describe, rooms.load, is_generated=True, earlier=_NO_TEST),
    "veils": DataSource(veils.describe, veils.load, is_generated=True),
}


def describe_data(spec: DataSpec) -> DataDescription:
    """Return tasks, sizes and normalization of a data set, without reading or rendering any of it.

    Raises:
        DataError: if the name, an option or the root folder does not exist.
    """
    spec = _with_home(spec)
    return _source(spec).describe(spec)


def earlier_options(name: str, options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """Return the options of a study that a release before there was a test split started. Its data stay the same."""
    return {**(DATA_SOURCES[name].earlier if name in DATA_SOURCES else {}), **options}


def load_data(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits of a data set. Generated sets are rendered once into ``cache_dir`` and memory-mapped there.

    Raises:
        DataError: the name, an option or the root folder does not exist, the files do not have the set's layout, or
        a task has no label in a split.
    """
    spec = _with_home(spec)
    data = _source(spec).load(spec, cache_dir)
    require_labels(data)
    return data


def _with_home(spec: DataSpec) -> DataSpec:
    """Return the spec with the folder that a ``~`` at the start of its root stands for, for every source alike."""
    # Unlike Path.expanduser, this leaves the name of an unknown user as it is.
    return spec if spec.root is None else replace(spec, root=os.path.expanduser(spec.root))


def _source(spec: DataSpec) -> DataSource:
    if spec.root is not None and not Path(spec.root).is_dir():
        raise DataError(f"data.root {spec.root!r} is not a folder.", hint="Give the folder that holds the data set.")
    if is_user_source(spec.name):
        return DataSource(describe_user_data, load_user_data)
    if spec.name not in DATA_SOURCES:
        raise DataError(f"data.name {spec.name!r} is unknown.", hint=nearest_known("data set", spec.name, DATA_SOURCES))
    if spec.root is not None and DATA_SOURCES[spec.name].is_generated:
        raise DataError(f"data {spec.name} is generated and reads no folder.", hint="Leave data.root out.")
    return DATA_SOURCES[spec.name]
