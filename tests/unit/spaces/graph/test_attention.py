"""Attention by heads: equal to the formula, heads independent, heads selectable."""

import pytest
import torch
from torch import Tensor

from gatefront.spaces.graph.attention import HeadAttention, WindowHeadAttention

HEADS, HEAD_DIM = 3, 4
WINDOW = (2, 3)
AREA = WINDOW[0] * WINDOW[1]
NUM_WINDOWS = 4


def _by_formula(q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None = None) -> Tensor:
    """One head after another, in plain matrix products; ``bias [heads, n, m]`` or one per window."""
    outputs = []
    for h in range(q.shape[-1] // HEAD_DIM):
        part = slice(h * HEAD_DIM, (h + 1) * HEAD_DIM)
        scores = q[..., part] @ k[..., part].mT * scale
        if bias is not None:
            scores = scores + bias[..., h, :, :]
        outputs.append(scores.softmax(dim=-1) @ v[..., part])
    return torch.cat(outputs, dim=-1)


def _tokens(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, HEADS * HEAD_DIM, generator=torch.Generator().manual_seed(seed))


def _window_attention(*, shifted: bool) -> WindowHeadAttention:
    attention = WindowHeadAttention(HEADS, HEAD_DIM, window_size=WINDOW, num_windows=NUM_WINDOWS if shifted else 0)
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        attention.relative_position_bias_table.normal_(generator=generator)
        if attention.shift_mask is not None:
            attention.shift_mask.copy_(-100.0 * (torch.rand(attention.shift_mask.shape, generator=generator) < 0.3))
    return attention


@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_is_the_formula_with_fewer_keys_than_queries(scale: float | None) -> None:
    q, k, v = _tokens(2, 7, seed=1), _tokens(2, 5, seed=2), _tokens(2, 5, seed=3)
    found = HeadAttention(HEADS, HEAD_DIM, scale=scale)(q, k, v)
    torch.testing.assert_close(found, _by_formula(q, k, v, scale or HEAD_DIM**-0.5))


def test_a_head_reads_its_own_channels_alone() -> None:
    q, k, v = (_tokens(1, 6, seed=seed).requires_grad_() for seed in range(3))
    attention = HeadAttention(HEADS, HEAD_DIM)
    attention(q, k, v)[..., HEAD_DIM : 2 * HEAD_DIM].square().sum().backward()
    for read in (q, k, v):
        per_channel = read.grad.abs().sum(dim=(0, 1))
        assert per_channel[HEAD_DIM : 2 * HEAD_DIM].min() > 0
        assert per_channel[:HEAD_DIM].max() == per_channel[2 * HEAD_DIM :].max() == 0


@pytest.mark.parametrize("shifted", [False, True])
def test_window_attention_adds_the_bias_of_the_relative_position_and_the_mask(shifted: bool) -> None:
    attention = _window_attention(shifted=shifted)
    table = attention.relative_position_bias_table.detach()
    bias = torch.empty(HEADS, AREA, AREA)
    for i in range(AREA):
        for j in range(AREA):
            rows, columns = i // WINDOW[1] - j // WINDOW[1], i % WINDOW[1] - j % WINDOW[1]
            bias[:, i, j] = table[(rows + WINDOW[0] - 1) * (2 * WINDOW[1] - 1) + columns + WINDOW[1] - 1]
    q, k, v = (_tokens(2 * NUM_WINDOWS, AREA, seed=seed) for seed in range(3))
    if attention.shift_mask is not None:
        bias = bias + attention.shift_mask.unsqueeze(1)
    per_image = (tokens.unflatten(0, (2, NUM_WINDOWS)) for tokens in (q, k, v))
    expected = _by_formula(*per_image, HEAD_DIM**-0.5, bias).flatten(0, 1)
    torch.testing.assert_close(attention(q, k, v), expected)


@pytest.mark.parametrize("kind", ["plain", "windows", "shifted windows"])
def test_selected_heads_give_what_they_gave_among_all(kind: str) -> None:
    attention = HeadAttention(HEADS, HEAD_DIM) if kind == "plain" else _window_attention(shifted="shifted" in kind)
    q, k, v = (_tokens(NUM_WINDOWS, AREA, seed=seed) for seed in range(3))
    heads = torch.tensor([2, 0])
    channels = (heads[:, None] * HEAD_DIM + torch.arange(HEAD_DIM)).flatten()
    selected = attention.select_heads(heads)
    assert type(selected) is type(attention)
    assert (attention.num_heads, selected.num_heads) == (HEADS, 2)
    found = selected(q[..., channels], k[..., channels], v[..., channels])
    torch.testing.assert_close(found, attention(q, k, v)[..., channels])
    if isinstance(selected, WindowHeadAttention):
        assert selected.relative_position_bias_table.requires_grad
        assert selected.relative_position_bias_table.shape == (15, 2)


def test_window_attention_is_rebuilt_from_its_arguments_and_tensors() -> None:
    attention = _window_attention(shifted=True)
    names = ("num_heads", "head_dim", "scale", "window_size", "num_windows")
    rebuilt = WindowHeadAttention(**{name: getattr(attention, name) for name in names})
    rebuilt.load_state_dict(attention.state_dict())
    q, k, v = (_tokens(NUM_WINDOWS, AREA, seed=seed) for seed in range(3))
    assert torch.equal(rebuilt(q, k, v), attention(q, k, v))


def test_exported_window_attention_takes_any_number_of_images() -> None:
    attention = _window_attention(shifted=True).eval()
    batch = torch.export.Dim("windows", min=1, max=64) * NUM_WINDOWS
    example = tuple(_tokens(2 * NUM_WINDOWS, AREA, seed=seed) for seed in range(3))
    exported = torch.export.export(attention, example, dynamic_shapes=({0: batch},) * 3).module()
    q, k, v = (_tokens(5 * NUM_WINDOWS, AREA, seed=seed) for seed in range(3))
    torch.testing.assert_close(exported(q, k, v), attention(q, k, v))
