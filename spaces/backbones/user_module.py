"""Backbone from a module of the user: ``package.module:factory``."""

import difflib
import importlib
import sys
import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.backbones.feature_check import describe
from gatefront.spaces.errors import ERRORS_OF_FOREIGN_CODE, SpaceError, hint_for_missing_module
from gatefront.spaces.tracing.module_state import restored

_given: "weakref.WeakSet[nn.Module]" = weakref.WeakSet()
"""Modules that factories have made so far."""


class FeatureList(nn.Module):
    """Wrapper that returns a module's features as a list: a single tensor alone, or the values of a dictionary."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.module(images)
        if isinstance(features, Tensor):
            return [features]
        return list(features.values() if isinstance(features, Mapping) else features)


def build_user_backbone(architecture: Architecture) -> nn.Module:
    """Import the factory, call it without arguments and try the module on one image.

    Raises:
        SpaceError: any of the three fails; the message says which and why.
    """
    name = architecture.backbone
    if architecture.stem != "default":
        raise SpaceError(
            f"network.stem = {architecture.stem!r} does not apply to {name!r}, whose stem is its own.",
            hint="Use stem = 'default'.",
        )
    factory = _find_factory(name)
    try:
        module = factory()
    except ERRORS_OF_FOREIGN_CODE as error:
        raise SpaceError(
            f"network.backbone {name!r}: calling the factory failed with {_reason(error)}.",
            hint="It is called without arguments.",
        ) from error
    if not isinstance(module, nn.Module):
        raise SpaceError(
            f"network.backbone {name!r}: the factory gave {describe(module)}, not a torch.nn.Module.",
            hint="Return the module, built and not called.",
        )
    if module in _given:
        raise SpaceError(
            f"network.backbone {name!r}: the factory gave the same module twice, so that networks would share weights.",
            hint="Build a new module at each call.",
        )
    _given.add(module)
    features = _try(module, architecture)
    if not isinstance(features, Tensor | list | tuple | Mapping):
        raise SpaceError(
            f"backbone {name!r} gives {describe(features)}; it must give a tensor, a list of tensors or a dictionary "
            "of tensors, coarsest last."
        )
    return FeatureList(module)


def _find_factory(name: str) -> Callable[[], Any]:
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute.isidentifier():
        raise SpaceError(
            f"network.backbone {name!r} is not of the form package.module:factory.",
            hint='For example "mynets.encoder:build".',
        )
    module = _import(module_name, name)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        found = "has no such name" if factory is None else f"{attribute} is {describe(factory)}, which cannot be called"
        near = difflib.get_close_matches(attribute, [key for key in vars(module) if not key.startswith("_")], n=3)
        raise SpaceError(
            f"network.backbone {name!r}: {module.__file__ or module_name}: {found}.",
            hint=f"Nearest: {', '.join(near)}." if near else "Name a function or class that builds the module.",
        )
    return factory  # type: ignore[no-any-return]


def _import(module_name: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise SpaceError(
                f"network.backbone {name!r}: importing {module_name} failed: {error}.",
                hint=hint_for_missing_module(error),
            ) from error
        raise SpaceError(
            f"network.backbone {name!r}: there is no module {error.name} on Python's path "
            f"({len(sys.path)} folders, the first is {sys.path[0] or '.'}).",
            hint=hint_for_missing_module(error),
        ) from error
    except ERRORS_OF_FOREIGN_CODE as error:
        raise SpaceError(f"network.backbone {name!r}: importing {module_name} failed with {_reason(error)}.") from error


def _try(module: nn.Module, architecture: Architecture) -> Any:
    """Run the module on one black image and return its result.

    The values are really computed, because the module's own error message is the clearest.
    """
    was_training = module.training
    module.eval()
    shape = (1, architecture.in_channels, *architecture.input_size)
    try:
        # The state is restored, because a value that the module caches now would pass for a constant. Lazy layers
        # keep the sizes that they get here.
        with nullcontext() if _is_lazy(module) else restored(module), torch.no_grad():
            return module(torch.zeros(shape))
    except ERRORS_OF_FOREIGN_CODE as error:
        raise SpaceError(
            f"network.backbone {architecture.backbone!r} fails on images {list(shape)}: {_reason(error)}.",
            hint="It is called with one batch of images of the study's size and channels.",
        ) from error
    finally:
        module.train(was_training)


def _is_lazy(module: nn.Module) -> bool:
    return any(map(nn.parameter.is_lazy, (*module.parameters(), *module.buffers())))


def _reason(error: BaseException) -> str:
    line = str(error).partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
