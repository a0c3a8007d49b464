"""Weights from a file, which is read without running code and compared with the backbone key by key."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import SpaceError

_SHOWN = 3
_WRAPPERS = ("state_dict", "model", "state_dict_ema", "model_ema")
"""Keys under which training scripts, timm's among them, keep the weights of a checkpoint."""


def load_weights(backbone: nn.Module, architecture: Architecture) -> None:
    """Load ``architecture.weights`` into the backbone.

    Raises:
        SpaceError: the file cannot be read, or its keys or shapes are not the backbone's.
    """
    state = read_weights(str(architecture.weights))
    refuse_mismatch(backbone.state_dict(), state, architecture)
    backbone.load_state_dict(state, strict=False)


def read_weights(path: str) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file, or of a torch file that holds nothing but tensors.

    Raises:
        SpaceError: there is no such file, or it holds something else.
    """
    if not Path(path).is_file():
        raise SpaceError(f"network.weights {path!r} is no file.", hint="Paths are relative to the working directory.")
    try:
        if path.endswith(".safetensors"):
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise SpaceError(
            f"network.weights {path!r} cannot be read: {reason}",
            hint="It must be a .safetensors file, or torch.save of a state dict.",
        ) from error
    return _tensors(content, path)


def refuse_mismatch(
    expected: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    architecture: Architecture,
    *,
    unused: tuple[str, ...] = (),
) -> None:
    """Refuse tensors whose keys or shapes differ from the expected ones.

    Keys that start with one of ``unused`` may be missing or left over.

    Raises:
        SpaceError: keys or shapes differ. The message counts the offenders and names the first.
    """
    # Files from before torch counted batches lack the counter, which no output depends on.
    missing = [key for key in expected if key not in found and not key.endswith("num_batches_tracked")]
    left_over = [key for key in found if key not in expected]
    reshaped = [
        f"{key} is {list(found[key].shape)} and should be {list(expected[key].shape)}"
        for key in expected
        if key in found and found[key].shape != expected[key].shape
    ]
    faults = [
        _count(what, [key for key in keys if not key.startswith(unused)] if unused else keys)
        for what, keys in (("missing", missing), ("unknown", left_over), ("of another shape", reshaped))
    ]
    if any(faults):
        raise SpaceError(
            f"network.weights {architecture.weights!r} do not fit {architecture.backbone!r}: "
            f"{'; '.join(filter(None, faults))}.",
            hint="Give a file of this very network, at width 1.0.",
        )


def _tensors(content: Any, path: str) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise SpaceError(
            f"network.weights {path!r} holds no state dict but a {type(content).__name__}.",
            hint="Save model.state_dict() with torch.save or safetensors.",
        )
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _count(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = ", ..." if len(keys) > _SHOWN else ""
    return f"{len(keys)} {what} ({', '.join(keys[:_SHOWN])}{more})"
