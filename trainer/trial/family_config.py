"""Which family a trial trains, if it is not InterroGate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyChoice:
    """A family by name, with its builder's ``settings``.

    LOMT looks for layers first: ``sparsity`` is its λ, ``search_epochs`` how long its sparse networks train.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    sparsity: float | None = None
    search_epochs: int = 0
