"""Two forms of one network compared on random images, so that no rewriting can change a network unnoticed."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves

from spaces.errors import UntraceableBackboneError

NUM_IMAGES = 3
"""Unlike both batch sizes of a trace."""

_TOLERANCE = 1e-4
_TOLERANCE_IN_DOUBLE_PRECISION = 1e-6
_TOLERANCE_OF_ONE_IMAGE = 1e-3
"""Kernels may sum in another order for another batch size."""
_STRENGTH = 0.4


@torch.no_grad()
def randomize(module: nn.Module, generator: torch.Generator) -> None:
    """Move every parameter and buffer off its default, in place: a gain of zero would hide what is behind it.

    Vectors move by up to 0.4. Matrices get a spread that keeps values alive through many layers. Buffers keep their
    signs, because a variance must stay positive. Integers stay.

    Args:
        module: any network.
        generator: of the CPU.
    """
    for parameter in module.parameters():
        if parameter.is_floating_point():
            parameter.copy_(_random_like(parameter, generator))
    for buffer in module.buffers():
        if buffer.is_floating_point():
            noise = torch.rand(buffer.shape, generator=generator, dtype=buffer.dtype)
            buffer.copy_(buffer * (0.8 + _STRENGTH * noise) + 0.1 * noise)


@torch.no_grad()
def calibrate_norms(module: nn.Module, images: Tensor, generator: torch.Generator) -> None:
    """Give every batch norm the statistics of ``images``, a little off, so that random weights let no value explode.

    Args:
        module: a network of random weights; its mode stays as it is.
        images: ``[batch, channels, height, width]``.
        generator: of the CPU; it says how far off.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.running_var is not None]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    _features(module, images, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        variance: Tensor = norm.running_var  # type: ignore[assignment]
        off = 0.8 + _STRENGTH * torch.rand(variance.shape, generator=generator, dtype=variance.dtype)
        # Where a map has one pixel, few values vary, and hardly: the mean over channels keeps the norm's gain small.
        norm.running_var = (variance + 0.1 * variance.mean()) * off


@torch.no_grad()
def require_independent_images(module: nn.Module, input_shape: Sequence[int], *, name: str) -> None:
    """Compare the features of an image alone with those of the same image beside others, in evaluation mode.

    Args:
        module: ``images [batch, channels, height, width] -> list of features``.
        input_shape: ``(channels, height, width)``.
        name: what messages call the network.

    Raises:
        UntraceableBackboneError: they differ, so that what is measured in batches is not what one image gets.
    """
    images = torch.randn(NUM_IMAGES, *input_shape, generator=torch.Generator().manual_seed(1))
    together, alone = (_features(module, given, training=False) for given in (images, images[:1]))
    for index, (one, other) in enumerate(zip(alone, together, strict=True)):
        error = float((one - other[:1]).norm() / one.norm().clamp(min=1e-12))
        if not error <= _TOLERANCE_OF_ONE_IMAGE:
            raise UntraceableBackboneError(
                f"{name} gives an image other features alone than beside others: feature {index + 1} of {len(alone)} "
                f"differs by {_percent(error)}.",
                hint="Use norms with running statistics, and no operation across the images of a batch.",
            )


@torch.no_grad()
def require_equal(original: nn.Module, rewritten: nn.Module, input_shape: Sequence[int], *, name: str) -> None:
    """Compare the features of both in evaluation mode and in training mode.

    Differences above 1e-4 are looked at once more in double precision, where rounding is no explanation.

    Args:
        original: ``images [batch, channels, height, width] -> list of features``.
        rewritten: what claims to compute the same from the same weights.
        input_shape: ``(channels, height, width)``.
        name: what messages call the network.

    Raises:
        UntraceableBackboneError: they differ; the message says in which mode, in which feature and by how much.
    """
    images = torch.randn(NUM_IMAGES, *input_shape, generator=torch.Generator().manual_seed(0))
    for training in (False, True):
        fault = _difference(original, rewritten, images, training, _TOLERANCE)
        if fault is not None and (exact := _in_double_precision(original, rewritten, images, training)) is not None:
            raise UntraceableBackboneError(
                f"the traced form of {name} differs from the module itself in "
                f"{'training' if training else 'evaluation'} mode: {exact}.",
                hint="Use torch.nn layers for what only happens in training (nn.Dropout, not F.dropout), and no "
                "state that a forward pass changes.",
            )


def _in_double_precision(original: nn.Module, rewritten: nn.Module, images: Tensor, training: bool) -> str | None:
    types = [{key: value.dtype for key, value in module.state_dict().items()} for module in (original, rewritten)]
    try:
        modules = original.double(), rewritten.double()
        return _difference(*modules, images.double(), training, _TOLERANCE_IN_DOUBLE_PRECISION)
    except RuntimeError:  # the module makes single precision of its own, which meets no double
        original.float(), rewritten.float()
        return _difference(original, rewritten, images, training, 10 * _TOLERANCE)
    finally:
        for module, dtypes in zip((original, rewritten), types, strict=True):
            _restore_types(module, dtypes)


def _restore_types(module: nn.Module, dtypes: dict[str, torch.dtype]) -> None:
    module.float()
    for key, value in module.state_dict().items():
        value.data = value.data.to(dtypes[key])


def _difference(
    original: nn.Module, rewritten: nn.Module, images: Tensor, training: bool, tolerance: float
) -> str | None:
    """The first difference in words; None if there is none."""
    expected, found = (_features(module, images, training) for module in (original, rewritten))
    if [feature.shape for feature in found] != [feature.shape for feature in expected]:
        return f"it gives {_shapes(found)}, not {_shapes(expected)}"
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        error = float((one - other).norm() / other.norm().clamp(min=1e-12))
        if not error <= tolerance and not torch.equal(one.nan_to_num(), other.nan_to_num()):
            return f"feature {index + 1} of {len(expected)} by {_percent(error)}"
    return None


def _features(module: nn.Module, images: Tensor, training: bool) -> list[Tensor]:
    was_training = module.training
    module.train(training)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # so that both draw the same random numbers
            result: Any = module(images.clone())
    finally:
        module.train(was_training)
    return [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]


def _shapes(features: Sequence[Tensor]) -> str:
    return ", ".join(str(list(feature.shape)) for feature in features) or "nothing"


def _percent(error: float) -> str:
    return f"{100 * error:.2g} %" if math.isfinite(error) else "more than can be told"


def _random_like(parameter: Tensor, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(parameter.shape, generator=generator, dtype=parameter.dtype)
    if sum(size > 1 for size in parameter.shape) <= 1:
        return parameter + _STRENGTH * (2 * uniform - 1)
    fan_in = parameter.numel() // parameter.shape[0] if parameter.shape[0] > 1 else parameter.shape[-1]
    spread = max(float(parameter.std()), 1 / math.sqrt(fan_in))
    noise: Tensor = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return noise * spread
