"""TaskModules: one module per task, found by the task's name and registered by its position."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any

from torch import Tensor, nn


class TaskModules(nn.Module):
    """Modules by task, whose parameters are named by position (``0.weight``). A task's name is never an attribute.

    A module cannot be called ``type`` or ``a.b``, and a task can. State dicts of earlier versions have the task's name
    in place of the position, and are loaded as well.
    """

    def __init__(self, task_names: Sequence[str], modules: Mapping[str, nn.Module]) -> None:
        """Register the modules.

        Args:
            task_names: all tasks of the architecture, in the order that gives the positions.
            modules: a module for some of the tasks or for all.
        """
        super().__init__()
        self._names = tuple(task_names)
        self._by_name = {name: key for name, key in position_keys(task_names).items() if name in modules}
        for name, key in self._by_name.items():
            self.add_module(key, modules[name])
        self.register_load_state_dict_pre_hook(_use_positions)  # type: ignore[no-untyped-call]

    @property
    def task_names(self) -> tuple[str, ...]:
        """All tasks of the architecture, also those without a module."""
        return self._names

    def __getitem__(self, name: str) -> nn.Module:
        return self.get_submodule(self._by_name[name])

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def keys(self) -> KeysView[str]:
        return self._as_dict().keys()

    def values(self) -> ValuesView[nn.Module]:
        return self._as_dict().values()

    def items(self) -> ItemsView[str, nn.Module]:
        return self._as_dict().items()

    def _as_dict(self) -> dict[str, nn.Module]:
        return {name: self[name] for name in self}


def position_keys(task_names: Sequence[str]) -> dict[str, str]:
    """Return, by task name, its key in the names of modules and tensors: ``"0"``, ``"1"`` and so on."""
    return {name: str(position) for position, name in enumerate(task_names)}


def with_positions(state: Mapping[str, Tensor], prefix: str, task_names: Sequence[str]) -> dict[str, Tensor]:
    """Return the same state, with ``prefix0.`` for the ``prefixNAME.`` of earlier versions.

    Earlier versions accepted only identifiers as names, and no identifier begins with a digit. A key is thus never read
    in two ways.
    """
    keys = position_keys(task_names)
    return {_with_position(key, prefix, keys): value for key, value in state.items()}


def _with_position(key: str, prefix: str, keys: Mapping[str, str]) -> str:
    if not key.startswith(prefix):
        return key
    name, dot, rest = key.removeprefix(prefix).partition(".")
    if not dot or not name.isidentifier() or name not in keys:
        return key
    return f"{prefix}{keys[name]}.{rest}"


def _use_positions(modules: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Rename the keys in place, as torch expects of such a hook."""
    if isinstance(modules, TaskModules):
        renamed = with_positions(state, prefix, modules._names)
        state.clear()
        state.update(renamed)
