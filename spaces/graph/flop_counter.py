"""Counter of every FLOP of gatefront: torch's own, with formulas for the kernels that it does not know."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

Shape = Sequence[int]


@contextmanager
def flop_counter() -> Iterator[FlopCounterMode]:
    """Count 2 FLOPs per multiply-add of convolutions, linear layers and products of matrices, attention's among them.

    The fused kernels of torch's transformer layers are switched off meanwhile. They run only where no gradients are
    wanted, and a count must not depend on that. Those that an exported network holds are counted by formula.

    Yields:
        A counter whose ``get_total_flops()`` is the sum.
    """
    was_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        counter = FlopCounterMode(display=False, custom_mapping=dict(_FORMULAS))
        counter.mod_tracker = _NoModules()  # type: ignore[assignment]
        with counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(was_enabled)


class _NoModules(nullcontext[None]):
    """Module tracker that records nothing. Torch's own fails on views of parameters that are given to a module."""

    parents = frozenset({"Global"})


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Count ``q k^T`` and its product with ``v``, from shapes ``[b, heads, n, d]``, ``[b, heads, m, d]`` twice."""
    b, heads, n, d = query
    m, d_v = value[-2:]
    return 2 * b * heads * n * m * (d + d_v)


def _self_attention(tokens: Shape, width: int) -> int:
    """Count four projections and the products of ``n`` tokens with each other, from the shape ``[b, n, width]``."""
    b, n = tokens[:2]
    return 2 * b * n * width * (4 * width) + 2 * b * n * n * (2 * width)


def _multi_head_attention(query: Shape, key: Shape, value: Shape, width: int, *_: Any, **__: Any) -> int:
    """Count the fused kernel of ``nn.MultiheadAttention`` for tokens that attend to themselves."""
    return _self_attention(query, width)


def _encoder_layer(tokens: Shape, width: int, *others: Any, **__: Any) -> int:
    """Count the fused kernel of ``nn.TransformerEncoderLayer``: attention, then two linear layers."""
    hidden: int = others[12][0]  # the first linear layer's weight ``[hidden, width]``
    return _self_attention(tokens, width) + 2 * (2 * math.prod(tokens[:2]) * width * hidden)


def _matrix_vector(matrix: Shape, *_: Any, **__: Any) -> int:
    return 2 * math.prod(matrix)


def _added_matrix_vector(_added: Shape, matrix: Shape, *_: Any, **__: Any) -> int:
    return 2 * math.prod(matrix)


def _added_batch_product(_added: Shape, left: Shape, right: Shape, *_: Any, **__: Any) -> int:
    return 2 * math.prod(left) * right[-1]


def _trilinear(left: Shape, weight: Shape, right: Shape, *_: Any, **__: Any) -> int:
    """Count ``x^T W y`` per output, from ``[b, 1, i, 1]``, ``[1, o, i, j]`` and ``[b, 1, 1, j]``: first ``W y``."""
    b, out, rows, columns = left[0], *weight[-3:]
    return 2 * b * out * rows * columns + 2 * b * out * rows


def _recurrent_layer(inputs: Shape, weight_in: Shape, weight_hidden: Shape, *_: Any, **__: Any) -> int:
    """Count one direction of an LSTM layer, from ``[steps, b, i]`` and the weights ``[4 h, i]`` and ``[4 h, h]``."""
    steps, b = inputs[:2]
    return 2 * steps * b * (math.prod(weight_in) + math.prod(weight_hidden))


_ATEN = torch.ops.aten
_FORMULAS: dict[Any, Callable[..., int]] = {
    _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
    _ATEN._native_multi_head_attention: _multi_head_attention,
    _ATEN._transformer_encoder_layer_fwd: _encoder_layer,
    _ATEN.mv: _matrix_vector,
    _ATEN.dot: _matrix_vector,
    _ATEN.addmv: _added_matrix_vector,
    _ATEN.addbmm: _added_batch_product,
    _ATEN._trilinear: _trilinear,
    _ATEN.mkldnn_rnn_layer: _recurrent_layer,
}


FLOP_CONVENTION = (
    "2 FLOPs per multiply-add of convolutions, linear layers and attention products, whole network "
    "with heads, batch 1, at the study's input size; norms, activations and additions are not counted"
)


def count_flops(module: nn.Module, input_shape: Sequence[int]) -> int:
    """Return the FLOPs of one forward pass in evaluation mode, counted by :func:`flop_counter`.

    ``input_shape`` is ``(channels, height, width)``. The count is for batch 1.
    """
    was_training = module.training
    reference = next((tensor for tensor in (*module.parameters(), *module.buffers())), torch.empty(0))
    module.eval()
    with flop_counter() as counter, torch.no_grad():
        module(torch.zeros(1, *input_shape, device=reference.device))
    module.train(was_training)
    return int(counter.get_total_flops())


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(parameter.numel() for parameter in module.parameters())
