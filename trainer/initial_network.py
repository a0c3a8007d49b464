"""A trial that goes on from another one's trained network instead of from the references alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.interrogate import InterroGateNetwork
from trainer.checkpoint import CheckpointError, load_network


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialNetwork:
    """A gated network as a trial delivered it. ``label`` names it wherever its file lies, e.g. ``digits 7.1``."""

    label: str
    path: str

    def to_json(self) -> dict[str, Any]:
        return {"label": self.label, "path": self.path}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "InitialNetwork":
        return cls(label=document["label"], path=document["path"])


def start_from(network: InterroGateNetwork, initial: InitialNetwork) -> None:
    """Put the weights and gates of ``initial`` into ``network``, where they go on learning.

    Raises:
        CheckpointError: the file is missing or damaged, or holds a network of another architecture or layout of gates.
    """
    found = load_network(Path(initial.path))
    for name, own, other in (
        ("architecture", network.architecture, found.architecture),
        ("layout of gates", network.layout, found.layout),
    ):
        if own != other:
            raise CheckpointError(f"{initial.label} has another {name} than this trial: {other}, not {own}.")
    network.load_state_dict(found.state_dict())
