"""Norms folded into convolutions: where the norm's statistics are fixed, and nowhere else."""

import pytest
import torch
from torch import fx, nn

from gatefront.spaces.networks.equivalence import randomize
from gatefront.spaces.pruning.norm_folding import fold_norms


@pytest.mark.parametrize(
    ("norm", "is_folded"),
    [
        (nn.BatchNorm2d(4), True),
        (nn.BatchNorm2d(4, affine=False), True),
        (nn.BatchNorm2d(4, track_running_stats=False), False),
        (nn.InstanceNorm2d(4, affine=True), False),
    ],
)
@torch.no_grad()
def test_fold_norms_of_norm_behind_convolution_keeps_the_outputs(norm: nn.Module, is_folded: bool) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), norm, nn.ReLU()).eval()
    randomize(module, torch.Generator().manual_seed(0))
    plain = fx.symbolic_trace(module)
    images = torch.randn(2, 3, 6, 6)
    expected = plain(images)
    fold_norms(plain)
    plain.recompile()
    torch.testing.assert_close(plain(images), expected, rtol=1e-4, atol=1e-5)
    assert is_folded == all(node.target != "1" for node in plain.graph.nodes)
