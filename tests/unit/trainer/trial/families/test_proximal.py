"""Group sparsity by proximal steps: the operator, and what it does in training."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import AdamW

from gatefront.spaces.families.input_groups import count_groups, from_rows, to_rows
from gatefront.trainer.trial.families.proximal import GroupSparsity, shrink_groups


def test_a_written_out_case() -> None:
    """w = (3, 4) with the metric (1, 1) and threshold 1 is scaled by 1 - 1/5; below its norm nothing is left."""
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [0.0, 2.0]])
    scale = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 4.0]])
    expected = torch.tensor([[2.4, 3.2], [0.0, 0.0], [0.0, 0.0], [0.0, 1.75]])  # the last: 2 - 1 / 4
    torch.testing.assert_close(shrink_groups(rows, scale, 1.0), expected)


def test_another_metric_written_out() -> None:
    """θ = 1 solves (2 / (1 + 2/3))^2 .. for weights made so: x = w s θ / (s θ + t) then has norm 1."""
    scale, threshold = torch.tensor([[3.0, 0.5]]), 2.0
    solution = torch.tensor([[0.6, -0.8]])
    rows = solution * (scale + threshold) / scale
    torch.testing.assert_close(shrink_groups(rows, scale, threshold), solution)


values = st.floats(-10, 10)
scales = st.floats(1e-3, 1e3)


@given(st.lists(st.tuples(values, scales), min_size=1, max_size=6), st.floats(1e-3, 1e2))
def test_it_is_the_minimum(pairs: Sequence[tuple[float, float]], threshold: float) -> None:
    """The gradient of the smooth part meets the norm's: equal to it where x is not 0, no longer than it at 0."""
    rows, scale = (torch.tensor([column], dtype=torch.float64) for column in zip(*pairs, strict=True))
    found = shrink_groups(rows, scale, threshold)
    pull = scale * (rows - found)
    if not found.any():
        assert float(pull.norm()) <= threshold * (1 + 1e-6)
    else:
        torch.testing.assert_close(pull, threshold * found / found.norm(), rtol=1e-3, atol=1e-3 * threshold)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3, groups=2), nn.Conv2d(4, 4, 5, groups=4), nn.Linear(4, 3)],
    ids=["conv", "grouped", "depthwise", "linear"],
)
@torch.no_grad()
def test_a_group_is_what_reads_one_input_channel(layer: nn.Conv2d | nn.Linear) -> None:
    layer.weight.normal_()
    rows = to_rows(layer.weight, layer)
    assert torch.equal(from_rows(rows, layer), layer.weight)
    assert count_groups(layer) == (4, 4)
    images = torch.randn(2, 4, 5, 5) if isinstance(layer, nn.Conv2d) else torch.randn(2, 4)
    without_third = images.clone()
    without_third[:, 2] = 0.0
    rows[2] = 0.0
    expected = layer(without_third)
    layer.weight.copy_(from_rows(rows, layer))
    torch.testing.assert_close(layer(images), expected)
    assert count_groups(layer) == (3, 4)


def _fit(strength: float, *, foreach_channel: Tensor, steps: int = 150) -> nn.Conv2d:
    """A 1x1 convolution learns to add up channels, each as much as ``foreach_channel`` says."""
    torch.manual_seed(0)
    layer = nn.Conv2d(len(foreach_channel), 2, 1, bias=False)
    optimizer = AdamW(layer.parameters(), lr=0.05, weight_decay=0.0)
    sparsity = GroupSparsity(layer, strength)
    for _ in range(steps):
        images = torch.randn(32, len(foreach_channel), 2, 2)
        wanted = (images * foreach_channel.view(-1, 1, 1)).sum(dim=1, keepdim=True).expand(-1, 2, -1, -1)
        optimizer.zero_grad()
        (layer(images) - wanted).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        sparsity(optimizer)
    return layer


def test_channels_that_do_not_help_are_emptied_and_the_others_stay() -> None:
    used = torch.tensor([1.0, 0.0, 2.0, 0.0, 0.0])
    layer = _fit(0.3, foreach_channel=used)
    norms = to_rows(layer.weight.detach(), layer).norm(dim=1)
    assert torch.equal(norms > 0, used > 0)
    assert not to_rows(_fit(1e-6, foreach_channel=used).weight.detach(), layer).norm(dim=1).eq(0).any()
    assert count_groups(_fit(100.0, foreach_channel=used, steps=20)) == (0, 5)
