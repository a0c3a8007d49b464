"""Functions and methods that a plain network may call, by their written names. None of them writes in place."""

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from gatefront.spaces.tracing.in_place import copy_like, fill_like, set_item


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_OF_TORCH = _names(
    """
    abs addcmul addcdiv addmm amax amin baddbmm bmm chunk clamp conv2d cos cumsum einsum erf exp flip full_like
    gather layer_norm log matmul maximum mean minimum moveaxis movedim mul neg ones_like permute pow relu rsqrt
    sin softmax split sqrt square stack std sum swapaxes take_along_dim tanh tile topk transpose unbind var
    where zeros_like add sub div flatten unflatten squeeze unsqueeze
    """
)
_OF_FUNCTIONAL = _names(
    """
    adaptive_max_pool2d avg_pool2d batch_norm conv1d conv2d conv_transpose2d elu fold glu grid_sample group_norm
    hardsigmoid hardswish hardtanh instance_norm layer_norm leaky_relu linear log_softmax logsigmoid mish
    normalize pixel_shuffle pixel_unshuffle prelu relu6 rms_norm scaled_dot_product_attention selu sigmoid
    softmax softplus softsign tanh unfold
    """
)
_OPERATORS = _names("floordiv matmul mod neg pow lt le gt ge eq ne and_ or_ invert")

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "cat": torch.cat,
    "narrow": torch.narrow,
    "index_select": torch.index_select,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "max_pool2d": F.max_pool2d,
    "interpolate": F.interpolate,
    "reshape": torch.reshape,
    "pad": F.pad,
    "roll": torch.roll,
    "getitem": operator.getitem,
    "gelu": F.gelu,
    "silu": F.silu,
    "set_item": set_item,
    "fill_like": fill_like,
    "copy_like": copy_like,
    **{f"torch.{name}": getattr(torch, name) for name in _OF_TORCH},
    **{f"torch.nn.functional.{name}": getattr(F, name) for name in _OF_FUNCTIONAL},
    **{f"operator.{name}": getattr(operator, name) for name in _OPERATORS},
}

METHODS = frozenset(
    _names(
        """
    abs add addcdiv addcmul amax amin argmax bmm chunk clamp clone contiguous cos cumsum detach div erf exp
    expand expand_as flatten flip float floor gather index_add index_select log log1p masked_fill matmul max
    mean min moveaxis movedim mul narrow neg new_ones new_zeros norm permute pow relu repeat repeat_interleave
    roll round rsqrt sigmoid sign sin size softmax split sqrt square squeeze std sub sum swapaxes t tanh tile to
    transpose type_as unbind unflatten unfold unsqueeze var
    """
    )
)


def function_name(function: Any) -> str | None:
    """Return the written name of a function, or None if a plain network may not call it."""
    return next((name for name, known in FUNCTIONS.items() if known is function), None)
