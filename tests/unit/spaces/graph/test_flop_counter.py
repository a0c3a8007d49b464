"""FLOPs of every kind of product, against the formula written out, with and without gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gatefront.spaces import count_flops
from gatefront.spaces.graph.flop_counter import _FORMULAS, flop_counter

B, N, M, D, H = 2, 5, 3, 8, 16
SELF_ATTENTION = 2 * B * N * D * 4 * D + 2 * B * N * N * 2 * D

CASES: dict[str, tuple[Callable[[], Any], int]] = {
    "convolution": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2)(torch.zeros(B, 4, 5, 7)), 2 * B * 35 * 6 * 2 * 9),
    "dilated strided convolution": (
        lambda: nn.Conv2d(4, 6, 3, stride=2, dilation=2, padding=2, padding_mode="reflect")(torch.zeros(B, 4, 8, 8)),
        2 * B * 16 * 6 * 4 * 9,
    ),
    "one-dimensional convolution": (lambda: nn.Conv1d(4, 6, 3)(torch.zeros(B, 4, 9)), 2 * B * 7 * 6 * 4 * 3),
    "transposed convolution": (
        lambda: nn.ConvTranspose2d(4, 6, 2, stride=2)(torch.zeros(B, 4, 3, 5)),
        2 * B * 15 * 4 * 6 * 4,
    ),
    "convolution by function": (
        lambda: F.conv2d(torch.zeros(B, 3, 4, 4), torch.zeros(5, 3, 1, 1)),
        2 * B * 16 * 3 * 5,
    ),
    "linear on vectors": (lambda: nn.Linear(D, H)(torch.zeros(B, D)), 2 * B * D * H),
    "linear on one vector": (lambda: nn.Linear(D, H)(torch.zeros(D)), 2 * D * H),
    "linear on tokens": (lambda: nn.Linear(D, H)(torch.zeros(B, N, D)), 2 * B * N * D * H),
    "linear on maps": (lambda: nn.Linear(D, H)(torch.zeros(B, N, M, D)), 2 * B * N * M * D * H),
    "attention": (
        lambda: F.scaled_dot_product_attention(
            torch.zeros(B, 2, N, D), torch.zeros(B, 2, M, D), torch.zeros(B, 2, M, D)
        ),
        2 * B * 2 * N * M * 2 * D,
    ),
    "attention with a mask": (
        lambda: F.scaled_dot_product_attention(
            torch.zeros(B, 2, N, D), torch.zeros(B, 2, M, D), torch.zeros(B, 2, M, D), attn_mask=torch.zeros(N, M)
        ),
        2 * B * 2 * N * M * 2 * D,
    ),
    "multi-head attention": (
        lambda: nn.MultiheadAttention(D, 2, batch_first=True).eval()(*[torch.zeros(B, N, D)] * 3),
        SELF_ATTENTION,
    ),
    "multi-head attention without weights": (
        lambda: nn.MultiheadAttention(D, 2, batch_first=True).eval()(*[torch.zeros(B, N, D)] * 3, need_weights=False),
        SELF_ATTENTION,
    ),
    "transformer layer": (
        lambda: nn.TransformerEncoderLayer(D, 2, H, batch_first=True).eval()(torch.zeros(B, N, D)),
        SELF_ATTENTION + 2 * 2 * B * N * D * H,
    ),
    "LSTM": (lambda: nn.LSTM(D, M)(torch.zeros(N, B, D)), 2 * N * B * (4 * M * D + 4 * M * M)),
    "two-way LSTM": (
        lambda: nn.LSTM(D, M, bidirectional=True, batch_first=True)(torch.zeros(B, N, D)),
        2 * 2 * N * B * (4 * M * D + 4 * M * M),
    ),
    "GRU": (lambda: nn.GRU(D, M)(torch.zeros(N, B, D)), 2 * N * B * (3 * M * D + 3 * M * M)),
    "bilinear": (
        lambda: nn.Bilinear(3, 4, 6)(torch.zeros(B, 3), torch.zeros(B, 4)),
        2 * B * 6 * 3 * 4 + 2 * B * 6 * 3,
    ),
    "matrix and vector": (lambda: torch.zeros(N, D) @ torch.zeros(D), 2 * N * D),
    "tokens and vector": (lambda: torch.zeros(B, N, D) @ torch.zeros(D), 2 * B * N * D),
    "sum and matrix times vector": (
        lambda: torch.addmv(torch.zeros(N), torch.zeros(N, D), torch.zeros(D)),
        2 * N * D,
    ),
    "sum of batch products": (
        lambda: torch.addbmm(torch.zeros(N, H), torch.zeros(B, N, D), torch.zeros(B, D, H)),
        2 * B * N * D * H,
    ),
    "einsum": (
        lambda: torch.einsum("bchw,ck->bkhw", torch.zeros(B, 3, 4, 4), torch.zeros(3, 6)),
        2 * B * 16 * 3 * 6,
    ),
    "norm, activation, pooling, addition": (
        lambda: F.avg_pool2d(F.relu(nn.BatchNorm2d(3)(torch.zeros(B, 3, 4, 4))) + 1.0, 2),
        0,
    ),
}


@pytest.mark.parametrize("with_gradients", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_flop_counter_of_product_is_the_formula(name: str, with_gradients: bool) -> None:
    run, expected = CASES[name]
    with torch.set_grad_enabled(with_gradients), flop_counter() as counter:
        run()
    assert counter.get_total_flops() == expected


@torch.no_grad()
@pytest.mark.parametrize("name", ["multi-head attention without weights", "transformer layer"])
def test_formula_of_fused_kernel_is_that_of_its_parts(name: str) -> None:
    run, expected = CASES[name]
    with FlopCounterMode(display=False, custom_mapping=dict(_FORMULAS)) as counter:
        run()
    (counts,) = {tuple(map(str, counts)) for counts in counter.get_flop_counts().values()}
    assert counts in {("aten._native_multi_head_attention",), ("aten._transformer_encoder_layer_fwd",)}
    assert counter.get_total_flops() == expected


def test_flop_counter_leaves_the_fused_kernels_as_they_were() -> None:
    assert torch.backends.mha.get_fastpath_enabled()
    with flop_counter():
        assert not torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mha.get_fastpath_enabled()


class _Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(D, 2, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        attended: Tensor = self.attention(tokens, tokens, tokens)[0]
        return attended


def test_count_flops_of_exported_attention_is_that_of_the_module() -> None:
    module = _Attending().eval()
    with torch.no_grad():
        exported = torch.export.export(module, (torch.zeros(2, N, D),)).module()
    with torch.no_grad(), flop_counter() as counter:
        exported(torch.zeros(2, N, D))
    assert 2 * count_flops(module, (N, D)) == counter.get_total_flops() == SELF_ATTENTION


def test_flop_counter_takes_a_module_that_reads_a_view_of_a_parameter() -> None:
    """Attends by learned queries, as some decoders do."""

    class Queries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.linear = nn.Parameter(torch.zeros(1, N, D)), nn.Linear(D, H)

        def forward(self, images: Tensor) -> Tensor:
            result: Tensor = self.linear(self.query.expand(images.shape[0], -1, -1))
            return result

    assert count_flops(Queries(), (3, 4, 4)) == 2 * N * D * H
