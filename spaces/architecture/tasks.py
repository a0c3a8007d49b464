"""Tasks of a network: one record per prediction."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gatefront.spaces.errors import SpaceError

TaskKind = Literal["classification", "multilabel", "segmentation", "depth", "normals", "edges", "saliency"]

_FIXED_OUTPUTS: dict[TaskKind, int] = {"depth": 1, "normals": 3, "edges": 1, "saliency": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Name, kind, number of output channels, loss weight and metric of one task.

    ``metric`` names one of the kind's metrics. None selects the usual one.
    """

    name: str
    kind: TaskKind
    num_outputs: int
    weight: float = 1.0
    metric: str | None = None

    def __post_init__(self) -> None:
        require_task_name(self.name)
        if self.kind not in get_args(TaskKind):
            raise SpaceError(
                f"task {self.name}: kind {self.kind!r} is unknown.",
                hint=f"Choose one of {', '.join(get_args(TaskKind))}.",
            )
        if self.num_outputs != _FIXED_OUTPUTS.get(self.kind, self.num_outputs) or self.num_outputs < 1:
            raise SpaceError(f"task {self.name}: num_outputs = {self.num_outputs} does not fit a {self.kind} task.")
        if not self.weight > 0:
            raise SpaceError(f"task {self.name}: weight must be above 0, found {self.weight}.")

    @property
    def is_dense(self) -> bool:
        """Return True if the task predicts one value per pixel: ``[batch, outputs, height, width]``."""
        return self.kind not in ("classification", "multilabel")


MAX_LENGTH = 200
"""Largest length of a task's name, in characters.

Optuna's tables hold 512 characters for a parameter's name, which ends in the task's name.
"""


_REFUSED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that no name may hold: control characters, surrogates, separators of lines and paragraphs.

No UTF-8 text can hold a surrogate.
"""


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)


_BY_POSITION = re.compile(r"task_[0-9]+", re.ASCII)


_TAKEN = frozenset({"images"})
"""Name of the one input of an exported network, which no output may have."""


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
    """Refuse names that differ only in case or Unicode normal form.

    People or file systems could take such names for each other.

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
    """Return one short ASCII identifier per task, in order, for files and for outputs of exports.

    All identifiers differ. A task's own name is used if it is such an identifier. Otherwise the identifier is ``task_``
    and the task's position. A task whose own name is ``task_`` and a number is numbered, too, so that no two tasks get
    one name.
    """
    return tuple(name if _is_free(name) else f"task_{position}" for position, name in enumerate(task_names))


def _is_free(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and _BY_POSITION.fullmatch(name) is None and name not in _TAKEN


def _folded(name: str) -> str:
    # Case folding may undo a normal form, so the name is normalized on both sides of it.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
