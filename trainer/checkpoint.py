"""Files a training leaves behind: the checkpoint it resumes from, and the network it ends with."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from spaces.architecture import Architecture
from spaces.errors import GatefrontError
from spaces.gate_layout import GateLayout
from spaces.interrogate import InterroGateNetwork, build_gated_network
from trainer.atomic_file import replacing
from trainer.reporting import Phase

logger = logging.getLogger(__name__)

_DAMAGE = (RuntimeError, UnpicklingError, EOFError, KeyError, TypeError, ValueError)
"""What torch.load and the constructors raise when a file was cut short or is something else."""


class CheckpointError(GatefrontError, RuntimeError):
    """A file of weights is missing, damaged, or belongs to something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSlot:
    """Where a run keeps its checkpoint. ``key`` names the run: no other run's checkpoint is taken up.

    ``notes`` are numbers that the caller wants back after a resume.
    """

    path: Path
    key: str
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A training after ``epoch`` finished epochs of ``phase``. ``seconds`` were spent in that phase.

    ``memory`` is what the strategy keeps beside the network's parameters, ``weighting`` what the weighting does.
    """

    key: str
    phase: Phase
    epoch: int
    seconds: float
    notes: dict[str, float]
    memory: dict[str, float]
    weighting: dict[str, Any]
    network: dict[str, Tensor]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    random_state: dict[str, Tensor]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replaces the checkpoint at ``path``; a crash on the way leaves the old one."""
    with replacing(path) as fresh:
        torch.save({name: getattr(checkpoint, name) for name in Checkpoint.__slots__}, fresh)


def read_checkpoint(slot: CheckpointSlot) -> Checkpoint | None:
    """The checkpoint of this run, on the CPU; None if there is none, or none that can be read.

    Raises:
        CheckpointError: if the checkpoint there belongs to another run.
    """
    if not slot.path.exists():
        return None
    try:
        checkpoint = Checkpoint(**torch.load(slot.path, map_location="cpu", weights_only=True))
    except _DAMAGE as error:
        logger.warning("%s cannot be read (%s); the run starts again.", slot.path, error)
        return None
    if checkpoint.key != slot.key:
        raise CheckpointError(
            f"{slot.path} belongs to another run: its key is {checkpoint.key[:12]}, not {slot.key[:12]}.",
            hint="Give every run a folder of its own.",
        )
    return checkpoint


def save_state(state: Mapping[str, Tensor], path: Path) -> None:
    """Writes a state dict, on the CPU, atomically."""
    with replacing(path) as fresh:
        torch.save(_portable(state), fresh)


def load_state(path: Path) -> dict[str, Tensor]:
    """A state dict, on the CPU.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    state: dict[str, Tensor] = _load(path)
    return state


def save_network(network: InterroGateNetwork, path: Path) -> None:
    """Writes a gated network so that :func:`load_network` needs nothing else."""
    document = {
        "architecture": network.architecture.to_json(),
        "layout": asdict(network.layout),
        "state": _portable(network.state_dict()),
    }
    with replacing(path) as fresh:
        torch.save(document, fresh)


def load_network(path: Path) -> InterroGateNetwork:
    """A gated network as it was saved, in evaluation mode on the CPU, its gates frozen.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    document = _load(path)
    try:
        architecture = Architecture.from_json(document["architecture"])
        # Every weight is in the file, so none is fetched only to be replaced.
        untrained = replace(architecture, pretrained=False, weights=None)
        network = build_gated_network(untrained, GateLayout(**document["layout"]))
        network.architecture = architecture
        network.load_state_dict(document["state"])
    except _DAMAGE as error:
        raise CheckpointError(f"{path} does not hold a gated network: {error}") from error
    network.freeze_gates()
    return network.eval()


def _portable(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # On a GPU weights are stored channels last; files hold the plain layout.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def _load(path: Path) -> Any:
    try:
        # weights_only: a file of weights may come from elsewhere, and a full unpickling would run its code.
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist.") from error
    except _DAMAGE as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint="Train again to replace it.") from error
