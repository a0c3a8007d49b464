"""Comparison of two forms of one network by the gradients of their parameters.

Forms of equal features may train differently.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

_LEAST_SHARE = 1e-2
"""Smallest scale of a gradient's difference, relative to the largest gradient.

Gradients far below the largest one are rounding, for example of a bias before a norm.
"""


def gradient_difference(original: nn.Module, rewritten: nn.Module, images: Tensor, tolerance: float) -> str | None:
    """Compare the gradients of a random sum of all features, in training mode.

    Parameters are compared that have the same name in both forms.

    Args:
        original: ``images [batch, channels, height, width] -> list of features``.
        rewritten: the form that should train as the original does.
        images: images in the type of the parameters.
        tolerance: the limit on each gradient's difference, relative to its norm.

    Returns:
        The first difference in words, or None if there is none or the original itself has no gradients.
    """
    try:
        found = _gradients(rewritten, images)
    except RuntimeError as error:
        return f"its backward pass fails ({str(error).partition('. ')[0].partition(': [')[0]})"
    try:
        expected = _gradients(original, images)
    except RuntimeError:  # it overwrites what its backward pass needs; the rewritten form overwrites nothing
        return None
    common = [name for name in expected if name in found]
    least = _LEAST_SHARE * max((float(expected[name].norm()) for name in common), default=0.0)
    for name in common:
        scale = max(float(expected[name].norm()), least, 1e-12)
        difference = float((found[name] - expected[name]).norm()) / scale
        if difference > tolerance:
            return f"the gradient of {name} differs by {100 * difference:.2g} %"
    return None


@contextmanager
def as_in_mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Put the module into training or evaluation mode for a while."""
    was_training = module.training
    module.train(training)
    try:
        yield
    finally:
        module.train(was_training)


def _gradients(module: nn.Module, images: Tensor) -> dict[str, Tensor]:
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    with as_in_mode(module, True), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # so that both draw the same random numbers
        result: Any = module(images.clone())
        features = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor) and leaf.requires_grad]
        if not features or not parameters:
            return {}
        torch.manual_seed(1)
        total = torch.stack([(feature * torch.randn_like(feature)).sum().double() for feature in features]).sum()
        found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(parameters.items(), found, strict=True)
    }
