"""Trained network of another trial, from which a trial starts instead of from the references alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.families import FamilyNetwork
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, load_network
from gatefront.trainer.checkpoints.network_file import load_delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialNetwork:
    """Network as a trial delivered it. ``label`` names it independent of its file, e.g. ``digits 7.1``."""

    label: str
    path: str


def start_from(network: InterroGateNetwork, initial: InitialNetwork) -> None:
    """Put the weights and gates of ``initial`` into ``network``, where they learn further.

    Raises:
        CheckpointError: the file is missing or damaged, or holds a network of another architecture or layout of
        gates.
    """
    found = load_network(Path(initial.path))
    for name, own, other in (
        ("architecture", _unweighted(network.architecture), _unweighted(found.architecture)),
        ("layout of gates", network.layout, found.layout),
    ):
        if own != other:
            raise CheckpointError(f"{initial.label} has another {name} than this trial: {other}, not {own}.")
    network.load_state_dict(found.state_dict())


def load_initial_family(
    initial: InitialNetwork, family: str, architecture: Architecture, settings: Mapping[str, Any]
) -> FamilyNetwork:
    """Return the network of another family for further training.

    Only the given ``settings`` are compared with the file's. All others come from the file.

    Raises:
        CheckpointError: the file is missing or damaged, or holds a network of another family, architecture or
        setting.
    """
    found = load_delivered(Path(initial.path))
    network = found.network
    if not isinstance(network, FamilyNetwork) or found.family != family:
        raise CheckpointError(f"{initial.label} is a network of {found.family}, this trial is one of {family}.")
    if _unweighted(found.architecture) != _unweighted(architecture):
        raise CheckpointError(
            f"{initial.label} has another architecture than this trial: {found.architecture}, not {architecture}."
        )
    for name, value in settings.items():
        if network.settings.get(name) != value:
            raise CheckpointError(f"{initial.label} has {name} {network.settings.get(name)}, this trial {value}.")
    network.architecture = architecture
    return network


def _unweighted(architecture: Architecture) -> Architecture:
    """Return the architecture with equal weights of tasks, which are no part of a network."""
    return replace(architecture, tasks=tuple(replace(task, weight=1.0) for task in architecture.tasks))
