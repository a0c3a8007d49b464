"""The counter behind every FLOP of gatefront: torch's own, with the attention kernel that it does not know."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode


def flop_counter() -> FlopCounterMode:
    """A context that counts 2 FLOPs per multiply-add of convolutions, linear layers and attention products."""
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return FlopCounterMode(display=False, custom_mapping={kernel: _attention_flops})


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """``q k^T`` and its product with ``v``, from shapes ``[b, heads, n, d]``, ``[b, heads, m, d]`` twice."""
    b, heads, n, d = query
    m, d_v = value[-2:]
    return int(2 * b * heads * n * m * (d + d_v))
