"""Family of a trial that is not InterroGate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyChoice:
    """Family by name, with its builder's ``settings``.

    LOMT first finds layers: ``sparsity`` is its λ, and ``search_epochs`` is how long its sparse networks train.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    sparsity: float | None = None
    search_epochs: int = 0
