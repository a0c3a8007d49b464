"""Names of a package that are imported when they are first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return ``__getattr__`` for a package whose names come from modules that take long to import.

    Torch alone takes seconds, and who imports one record or one error of a package needs none of it.

    Args:
        package: the package's name.
        modules: name -> module that has it, below the package or by its absolute name.
    """
    root = package.partition(".")[0]

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = modules[name]
        value = getattr(import_module(module if module.startswith(f"{root}.") else f"{package}.{module}"), name)
        setattr(import_module(package), name, value)
        return value

    return get
