"""Comparison of two forms of one network on random images, so that no rewriting changes a network unnoticed."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves

from gatefront.spaces.errors import UntraceableBackboneError
from gatefront.spaces.networks.gradient_difference import as_in_mode, gradient_difference

NUM_IMAGES = 3
"""Number of random images, which differs from both batch sizes of a trace."""

_TOLERANCE = 1e-4
_TOLERANCE_IN_DOUBLE_PRECISION = 1e-6
_TOLERANCE_OF_ONE_IMAGE = 1e-3
"""Relative difference allowed between batch sizes, because kernels may sum in another order for another one."""
_STRENGTH = 0.4


@torch.no_grad()
def randomize(module: nn.Module, generator: torch.Generator) -> None:
    """Move every parameter and buffer off its default in place, because a gain of zero would hide what is behind it.

    Vectors move by up to 0.4. Matrices get a spread that keeps values alive through many layers. Buffers keep their
    signs, because a variance must stay positive. A table of different values keeps its range, because it may hold
    indices. Integers stay unchanged.

    Args:
        module: any network.
        generator: a generator of the CPU.
    """
    for parameter in module.parameters():
        if parameter.is_floating_point():
            parameter.copy_(_random_like(parameter, generator))
    for buffer in module.buffers():
        if buffer.is_floating_point():
            noise = torch.rand(buffer.shape, generator=generator, dtype=buffer.dtype)
            moved = buffer * (0.8 + _STRENGTH * noise) + 0.1 * noise
            is_table = buffer.numel() > 1 and buffer.min() < buffer.max()
            buffer.copy_(moved.clamp(buffer.min(), buffer.max()) if is_table else moved)


@torch.no_grad()
def calibrate_norms(module: nn.Module, images: Tensor, generator: torch.Generator) -> None:
    """Give every batch norm the statistics of ``images``, slightly changed, so that no value explodes.

    Args:
        module: a network of random weights, whose mode stays unchanged.
        images: ``[batch, channels, height, width]``.
        generator: a generator of the CPU, which draws the changes.
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
        # If a map has one pixel, few values vary, and only slightly. The mean over channels limits the norm's gain.
        norm.running_var = (variance + 0.1 * variance.mean()) * off


@torch.no_grad()
def require_independent_images(module: nn.Module, input_shape: Sequence[int], *, name: str) -> None:
    """Compare the features of an image alone with those of the same image beside others, in evaluation mode.

    Args:
        module: ``images [batch, channels, height, width] -> list of features``.
        input_shape: ``(channels, height, width)``.
        name: the network's name in messages.

    Raises:
        UntraceableBackboneError: they differ, so that measurements in batches do not hold for one image.
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
    """Compare the features of both for several numbers of images and in both modes, then the gradients of parameters.

    Differences above 1e-4 (of gradients 1e-3) are checked again in double precision, where rounding cannot explain
    them. Evaluation follows training once more, so that state which training changes is noticed.

    Args:
        original: ``images [batch, channels, height, width] -> list of features``.
        rewritten: the form that should compute the same from the same weights.
        input_shape: ``(channels, height, width)``.
        name: the network's name in messages.

    Raises:
        UntraceableBackboneError: they differ, and the message gives the mode, the feature and the difference. Or the
            original draws random numbers in evaluation mode, or the two forms train differently.
    """
    images = torch.randn(NUM_IMAGES, *input_shape, generator=torch.Generator().manual_seed(0))
    for words, number, training in (
        ("in evaluation mode", NUM_IMAGES, False),
        ("in training mode", NUM_IMAGES, True),
        ("in evaluation mode after a step in training mode, for two images", 2, False),
    ):
        fault = _look_twice(partial(_difference, training=training), original, rewritten, images[:number], _TOLERANCE)
        if fault is not None:
            raise UntraceableBackboneError(
                f"the traced form of {name} differs from the module itself {words}: {fault}.",
                hint="Use torch.nn layers for what only happens in training (nn.Dropout, not F.dropout), no "
                "state that a forward pass changes, and nothing that depends on the number of images.",
            )
    _require_repeatable(original, images[:1], name)
    fault = _look_twice(gradient_difference, original, rewritten, images[:2], 10 * _TOLERANCE)
    if fault is not None:
        raise UntraceableBackboneError(
            f"the traced form of {name} trains otherwise than the module itself: {fault}.",
            hint="Use no backward hooks, no torch.set_grad_enabled that depends on the mode, and no writes under "
            "torch.no_grad into values that are trained.",
        )


_Comparison = Callable[[nn.Module, nn.Module, Tensor, float], str | None]


def _look_twice(
    compare: _Comparison, original: nn.Module, rewritten: nn.Module, images: Tensor, tolerance: float
) -> str | None:
    fault = compare(original, rewritten, images, tolerance)
    return None if fault is None else _in_double_precision(compare, original, rewritten, images, tolerance)


def _in_double_precision(
    compare: _Comparison, original: nn.Module, rewritten: nn.Module, images: Tensor, tolerance: float
) -> str | None:
    types = [{key: value.dtype for key, value in module.state_dict().items()} for module in (original, rewritten)]
    try:
        return compare(original.double(), rewritten.double(), images.double(), _TOLERANCE_IN_DOUBLE_PRECISION)
    except RuntimeError:  # the module makes single precision of its own, which meets no double
        original.float(), rewritten.float()
        return compare(original, rewritten, images, 10 * tolerance)
    finally:
        for module, dtypes in zip((original, rewritten), types, strict=True):
            _restore_types(module, dtypes)


def _restore_types(module: nn.Module, dtypes: dict[str, torch.dtype]) -> None:
    module.float()
    for key, value in module.state_dict().items():
        value.data = value.data.to(dtypes[key])


def _difference(
    original: nn.Module, rewritten: nn.Module, images: Tensor, tolerance: float, *, training: bool
) -> str | None:
    """Return the first difference in words, or None if there is none."""
    expected, found = (_features(module, images, training=training) for module in (original, rewritten))
    if [feature.shape for feature in found] != [feature.shape for feature in expected]:
        return f"it gives {_shapes(found)}, not {_shapes(expected)}"
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        error = float((one - other).norm() / other.norm().clamp(min=1e-12))
        if not error <= tolerance and not torch.equal(one.nan_to_num(), other.nan_to_num()):
            return f"feature {index + 1} of {len(expected)} by {_percent(error)}"
    return None


def _require_repeatable(module: nn.Module, images: Tensor, name: str) -> None:
    if not _varies(module, images, seeds=(0, 1)):
        return
    keeps_state = _varies(module, images, seeds=(0, 0))
    what = "changes its own state" if keeps_state else "draws random numbers"
    raise UntraceableBackboneError(
        f"{name} {what} in evaluation mode: the same images give other features each time.",
        hint="Let only training change state, as norms with running statistics do."
        if keeps_state
        else "Let random operations happen in training mode alone, as nn.Dropout does.",
    )


def _varies(module: nn.Module, images: Tensor, *, seeds: tuple[int, int]) -> bool:
    first, second = (_features(module, images, training=False, seed=seed) for seed in seeds)
    return not all(torch.equal(one.nan_to_num(), other.nan_to_num()) for one, other in zip(first, second, strict=True))


def _features(module: nn.Module, images: Tensor, *, training: bool, seed: int = 0) -> list[Tensor]:
    with as_in_mode(module, training), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # so that both draw the same random numbers
        result: Any = module(images.clone())
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
