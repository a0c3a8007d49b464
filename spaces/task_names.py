"""Names of tasks: which are allowed, and how they are spelled where a name is not free.

A task's name belongs to the user. It is shown, typed and stored as it is. Modules, graphs and files name a task by its
position (:mod:`gatefront.spaces.networks.task_modules`); the outputs of an exported network and files of tasks by
:func:`safe_names`.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from gatefront.spaces.errors import SpaceError

MAX_LENGTH = 200
"""Characters. Optuna's tables hold 512 for a parameter's name, which ends in the task's."""

_REFUSED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's control characters, surrogates, which no UTF-8 text can hold, and separators of lines and paragraphs."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)
_BY_POSITION = re.compile(r"task_[0-9]+", re.ASCII)
_TAKEN = frozenset({"images"})
"""The name of the one input of an exported network."""


def require_task_name(name: str) -> None:
    """Refuse a name that cannot be shown in one line, typed and stored.

    Raises:
        SpaceError: the name is empty, too long, begins or ends with white space, or holds a control character.
    """
    if not name or name != name.strip():
        raise SpaceError(
            f"Cannot call a task {name!r}: a name is not empty and has no white space at its ends.",
            hint="Choose another name.",
        )
    if len(name) > MAX_LENGTH:
        raise SpaceError(
            f"Cannot call a task {name[:40]!r}...: a name has at most {MAX_LENGTH} characters (found {len(name)}).",
            hint="Choose a shorter name.",
        )
    for character in name:
        if unicodedata.category(character) in _REFUSED_CATEGORIES:
            raise SpaceError(
                f"Cannot call a task {name!r}: a name has no control characters (found U+{ord(character):04X}).",
                hint="Leave the character out.",
            )


def require_distinct_names(names: Iterable[str]) -> None:
    """Refuse names that people or file systems could take for each other: they differ in case or normal form alone.

    Raises:
        SpaceError: two names are equal after case folding and Unicode normalization (NFC); both are named.
    """
    known: dict[str, str] = {}
    for name in names:
        folded = _folded(name)
        if folded in known:
            raise SpaceError(
                f"task names must differ in more than case and Unicode form, found {known[folded]!r} and {name!r}.",
                hint="Rename one of the tasks.",
            )
        known[folded] = name


def safe_names(task_names: Sequence[str]) -> tuple[str, ...]:
    """A name per task for outputs of exports and for files, in order: short ASCII identifiers that all differ.

    It is the task's own name where that is such an identifier, and else ``task_`` and the task's position. No two tasks
    get one name, because a task that is itself called ``task_`` and a number is numbered, too.
    """
    return tuple(name if _is_free(name) else f"task_{position}" for position, name in enumerate(task_names))


def _is_free(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and _BY_POSITION.fullmatch(name) is None and name not in _TAKEN


def _folded(name: str) -> str:
    # Case folding may undo a normal form, so the name is normalized on both sides of it.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
