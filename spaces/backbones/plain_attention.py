"""Replacements of timm's attention modules: separate projections around :mod:`gatefront.spaces.graph.attention`."""

from typing import Any

import torch
from torch import Tensor, nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.graph.attention import HeadAttention, WindowHeadAttention


class TokenAttention(nn.Module):
    """Attention of every token to all tokens: linear q, k and v, attention by heads, and a linear projection."""

    def __init__(self, q: nn.Linear, k: nn.Linear, v: nn.Linear, heads: HeadAttention, proj: nn.Linear) -> None:
        super().__init__()
        self.q, self.k, self.v, self.heads, self.proj = q, k, v, heads, proj

    def forward(self, tokens: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        # timm's blocks hand a mask and a flag to every attention; images need neither.
        if attn_mask is not None or is_causal:
            raise SpaceError("attention with a mask has no plain twin.", hint="Leave attn_mask and is_causal out.")
        result: Tensor = self.proj(self.heads(self.q(tokens), self.k(tokens), self.v(tokens)))
        return result


class ReducedAttention(TokenAttention):
    """Attention whose keys and values read a coarser map of the tokens (PVT v2). ``reduce`` makes this map."""

    def __init__(
        self, q: nn.Linear, k: nn.Linear, v: nn.Linear, heads: HeadAttention, proj: nn.Linear, *, reduce: nn.Module
    ) -> None:
        super().__init__(q, k, v, heads, proj)
        self.reduce = reduce

    def forward(self, tokens: Tensor, feat_size: tuple[int, int]) -> Tensor:  # type: ignore[override]
        coarse = self.reduce(torch.unflatten(tokens.transpose(1, 2), 2, feat_size))
        result: Tensor = self.proj(self.heads(self.q(tokens), self.k(coarse), self.v(coarse)))
        return result


class Reduction(nn.Module):
    """Pooling, strided convolution, norm and activation from ``[b, c, h, w]`` to fewer tokens ``[b, m, c]``."""

    def __init__(self, pool: nn.Module, conv: nn.Module, norm: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.pool, self.conv, self.norm, self.act = pool, conv, norm, act

    def forward(self, feature: Tensor) -> Tensor:
        result: Tensor = self.act(self.norm(self.conv(self.pool(feature)).flatten(2).transpose(1, 2)))
        return result


class TokensOnly(nn.Module):
    """Adapter that gives an attention without reduction the signature of :class:`ReducedAttention`."""

    def __init__(self, attention: TokenAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, tokens: Tensor, feat_size: tuple[int, int]) -> Tensor:
        result: Tensor = self.attention(tokens)
        return result


class WindowAttention(TokenAttention):
    """Attention inside windows (Swin). ``heads`` holds the mask of shifted windows, and no other mask is accepted."""

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        return super().forward(tokens, attn_mask=mask)


def use_plain_attention(model: nn.Module) -> None:
    """Replace the attention modules of timm's ViT, PVT v2 and Swin in place. Outputs stay the same.

    An attention stays unchanged if it has norms of q and k, an output gate, dropout, or a mask that depends on the
    image.
    """
    from timm.layers.attention import Attention
    from timm.models import pvt_v2, swin_transformer

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is Attention and _is_standard(child):
                parent.add_module(name, _from_vit(child))
            elif type(child) is pvt_v2.Attention and not _drops(child):
                parent.add_module(name, _from_pvt(child))
            elif type(child) is swin_transformer.WindowAttention and _has_fixed_mask(parent) and not _drops(child):
                parent.add_module(name, _from_swin(child, parent))


def _is_standard(fused: Any) -> bool:
    parts = [getattr(fused, part, None) for part in ("q_norm", "k_norm", "norm")]
    plain = all(part is None or type(part) is nn.Identity for part in parts)
    return plain and getattr(fused, "gate", None) is None and not _drops(fused)


def _drops(fused: Any) -> bool:
    return bool(getattr(fused.attn_drop, "p", 0.0) or getattr(fused.proj_drop, "p", 0.0))


def _has_fixed_mask(block: Any) -> bool:
    """Return True for a block of Swin whose mask is made once, for one size of images."""
    from timm.models.swin_transformer import SwinTransformerBlock

    return type(block) is SwinTransformerBlock and not getattr(block, "dynamic_mask", False)


def _from_vit(fused: Any) -> TokenAttention:
    q, k, v = split_linear(fused.qkv, 3)
    return TokenAttention(q, k, v, HeadAttention(fused.num_heads, fused.head_dim, scale=fused.scale), fused.proj)


def _from_pvt(fused: Any) -> nn.Module:
    k, v = split_linear(fused.kv, 2)
    heads = HeadAttention(fused.num_heads, fused.head_dim, scale=fused.scale)
    if fused.sr is None:
        return TokensOnly(TokenAttention(fused.q, k, v, heads, fused.proj))
    reduce = Reduction(fused.pool or nn.Identity(), fused.sr, fused.norm, fused.act or nn.Identity())
    return ReducedAttention(fused.q, k, v, heads, fused.proj, reduce=reduce)


def _from_swin(fused: Any, block: Any) -> WindowAttention:
    q, k, v = split_linear(fused.qkv, 3)
    mask: Tensor | None = block.attn_mask
    heads = WindowHeadAttention(
        fused.num_heads,
        fused.qkv.out_features // (3 * fused.num_heads),
        window_size=tuple(fused.window_size),
        num_windows=0 if mask is None else len(mask),
        scale=fused.scale,
    )
    with torch.no_grad():
        heads.relative_position_bias_table.copy_(fused.relative_position_bias_table)
        if mask is not None and heads.shift_mask is not None:
            heads.shift_mask.copy_(mask)
    block.attn_mask = None
    return WindowAttention(q, k, v, heads, fused.proj)


def split_linear(fused: nn.Linear, parts: int) -> list[nn.Linear]:
    """Split one linear layer into several, each with an equal share of the output channels."""
    split = []
    biases = [None] * parts if fused.bias is None else fused.bias.detach().chunk(parts)
    for weight, bias in zip(fused.weight.detach().chunk(parts), biases, strict=True):
        linear = nn.Linear(fused.in_features, len(weight), bias=bias is not None)
        linear.weight = nn.Parameter(weight.clone())
        if bias is not None:
            linear.bias = nn.Parameter(bias.clone())
        split.append(linear)
    return split
