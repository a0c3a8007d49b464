"""A data set of the user's own, named in the study as ``package.module:Class``."""

import difflib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gatefront.spaces.errors import ERRORS_OF_FOREIGN_CODE, GatefrontError, hint_for_missing_module
from gatefront.trainer.data.dataset import DataDescription, DataError, DataSpec, MultiTaskData

ResultT = TypeVar("ResultT")


class DataSourceClass(Protocol):
    """Interface of such a class, which is called without arguments. ``describe`` must not read any image."""

    def describe(self, spec: DataSpec) -> DataDescription: ...

    def load(self, spec: DataSpec, cache_dir: Path) -> MultiTaskData: ...


def is_user_source(name: str) -> bool:
    """Return whether the name has the form ``package.module:Class``, which no built-in set has."""
    return ":" in name


def describe_user_data(spec: DataSpec) -> DataDescription:
    """Return the class's description of its data.

    Raises:
        DataError: it cannot be imported or made, or ``describe`` fails or returns something else.
    """
    return _call(spec.name, "describe", lambda: _make(spec.name).describe(spec), DataDescription)


def load_user_data(spec: DataSpec, cache_dir: Path) -> MultiTaskData:
    """Load the splits by the class.

    Raises:
        DataError: it cannot be imported or made, or ``load`` fails or returns something else.
    """
    return _call(spec.name, "load", lambda: _make(spec.name).load(spec, cache_dir), MultiTaskData)


def _make(name: str) -> DataSourceClass:
    factory = _find(name)
    source = _run(name, "calling it without arguments", factory)
    missing = [method for method in ("describe", "load") if not callable(getattr(source, method, None))]
    if missing:
        raise DataError(
            f"data.name {name!r}: it has no {' and no '.join(missing)}.", hint="docs/adding-data.md shows both."
        )
    return source  # type: ignore[no-any-return]


def _find(name: str) -> Callable[[], Any]:
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute.isidentifier():
        raise DataError(
            f"data.name {name!r} is not of the form package.module:Class.", hint='For example "mydata.streets:Streets".'
        )
    module = _run(name, f"importing {module_name}", lambda: importlib.import_module(module_name))
    found = getattr(module, attribute, None)
    if not callable(found):
        near = difflib.get_close_matches(attribute, [key for key in vars(module) if not key.startswith("_")], n=3)
        raise DataError(
            f"data.name {name!r}: {module_name} has no class {attribute}.",
            hint=f"Nearest: {', '.join(near)}." if near else "Name the class that describes and loads the data.",
        )
    return found  # type: ignore[no-any-return]


def _call(name: str, method: str, call: Callable[[], Any], expected: type[ResultT]) -> ResultT:
    result = _run(name, method, call)
    if not isinstance(result, expected):
        raise DataError(f"data.name {name!r}: {method} gave {type(result).__name__}, expected {expected.__name__}.")
    return result


def _run(name: str, what: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except GatefrontError:
        raise
    except ERRORS_OF_FOREIGN_CODE as error:
        raise DataError(
            f"data.name {name!r}: {what} failed with {type(error).__name__}: {str(error).rstrip('.')}.",
            hint=hint_for_missing_module(error) if isinstance(error, ModuleNotFoundError) else "",
        ) from error
