"""Files of trained networks of any family."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.families import FamilyNetwork, build_family, plain_network
from gatefront.spaces.json_codec import from_json, to_json
from gatefront.spaces.pruning.plain_network import PlainNetwork
from gatefront.spaces.pruning.prune import prune_network
from gatefront.trainer.checkpoints.atomic_file import replacing
from gatefront.trainer.checkpoints.checkpoint import DAMAGE, CheckpointError, load_document, load_network, portable

_GATED = "layout"
"""Key that only files of gated networks have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Trained network, ``images -> {task: prediction}``, in evaluation mode. ``family`` is its name."""

    family: str
    architecture: Architecture
    network: nn.Module
    make_plain: Callable[[], PlainNetwork]


def save_family(family: str, network: FamilyNetwork, path: Path) -> None:
    """Write a network so that :func:`load_delivered` needs nothing else."""
    document = {
        "architecture": to_json(network.architecture),
        "family": family,
        "settings": network.settings,
        "state": portable(network.state_dict()),
    }
    with replacing(path) as fresh:
        torch.save(document, fresh)


def load_delivered(path: Path) -> Delivered:
    """Read a network of :func:`save_family` or :func:`gatefront.trainer.checkpoints.checkpoint.save_network`.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    if _GATED in (document := load_document(path)):
        gated = load_network(path).cpu().eval()
        return Delivered(
            family="interrogate",
            architecture=gated.architecture,
            network=gated,
            make_plain=lambda: prune_network(gated).eval(),
        )
    try:
        architecture = from_json(Architecture, document["architecture"])
        # Every weight is in the file, so none is fetched only to be replaced.
        untrained = replace(architecture, pretrained=False, weights=None)
        network = build_family(document["family"], untrained, document["settings"])
        network.architecture = architecture
        network.load_state_dict(document["state"])
    except DAMAGE as error:
        raise CheckpointError(f"{path} does not hold a network of a family: {error}") from error
    network.eval()
    return Delivered(
        family=document["family"],
        architecture=architecture,
        network=network,
        make_plain=lambda: plain_network(network).eval(),
    )
