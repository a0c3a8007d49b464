"""Every form of argument of every operation in the tables: the pruned network equals the gated one."""

import operator
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatefront.spaces import Architecture, GateLayout, Task, count_flops, prune_network
from gatefront.spaces.graph.channel_rules import ChannelRule
from gatefront.spaces.networks.equivalence import randomize
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.spaces.networks.shared_network import build_heads
from gatefront.spaces.tracing.trace import trace_network

TASKS = (Task(name="depth", kind="depth", num_outputs=1), Task(name="label", kind="classification", num_outputs=3))
CHANNELS, HEIGHT, WIDTH = 6, 5, 7
"""``HEIGHT`` and ``WIDTH`` are the batch sizes of a trace: no size may pass for a batch."""


class _Between(nn.Module):
    """Two convolutions with the operation between them; ``other`` is a second value of the same shape."""

    def __init__(self, code: Callable[[Tensor, Tensor], Tensor], channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, CHANNELS, 3, padding=1), nn.Conv2d(3, CHANNELS, 1)
        self.last = nn.Conv2d(channels, 4, 1)
        self.code = code

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.last(self.code(self.first(images), self.second(images)))]


Code = Callable[[Tensor, Tensor], Tensor]

APART: dict[str, Code] = {
    # name of the operation and its form: channels stay apart, so pruning may leave some out
    "flip(2)": lambda x, _: x.flip(2),
    "flip(2, 3)": lambda x, _: x.flip(2, 3),
    "flip((-1, -2))": lambda x, _: x.flip((-1, -2)),
    "torch.flip(dims=[3])": lambda x, _: torch.flip(x, dims=[3]),
    "roll(1, 2)": lambda x, _: x.roll(1, 2),
    "roll((1, 2), (2, -1))": lambda x, _: x.roll((1, 2), (2, -1)),
    "roll(shifts=, dims=)": lambda x, _: x.roll(shifts=(1,), dims=(3,)),
    "torch.roll(1, dims=2)": lambda x, _: torch.roll(x, 1, dims=2),
    "permute": lambda x, _: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2),
    "permute negative": lambda x, _: x.permute((0, -2, -1, -3)).permute(0, 3, 1, 2),
    "permute dims=": lambda x, _: torch.permute(x, dims=(0, 1, 3, 2)).permute(dims=(0, 1, 3, 2)),
    "transpose(2, 3)": lambda x, _: x.transpose(2, 3),
    "transpose(-1, 1)": lambda x, _: x.transpose(-1, 1).transpose(3, -3),
    "transpose keywords": lambda x, _: torch.transpose(x, dim0=1, dim1=2).transpose(dim0=2, dim1=1),
    "swapaxes keywords": lambda x, _: torch.swapaxes(x, axis0=1, axis1=3).swapaxes(axis0=3, axis1=1),
    "cat on width": lambda x, y: torch.cat([x, y], 3),
    "cat dim=-2": lambda x, y: torch.cat((x, y), dim=-2),
    "cat axis=2": lambda x, y: torch.concat([x, y], axis=2),  # type: ignore[call-overload]
    "mean((2, 3), True)": lambda x, _: x.mean((2, 3), True) + x,
    "mean(dim=-1, keepdim=True)": lambda x, _: x + torch.mean(x, dim=-1, keepdim=True),
    "mean of two axes": lambda x, _: x.mean([2, 3]).reshape(-1, CHANNELS, 1, 1) * x,
    "sum(axis=2)": lambda x, _: x.sum(axis=2, keepdims=True) + x,  # type: ignore[call-arg]
    "amax(-1)": lambda x, _: x.amax(-1).unsqueeze(-1) + x,
    "amin(dim=)": lambda x, _: torch.amin(x, dim=(2, 3), keepdim=True) + x,
    "expand with sizes": lambda x, _: x.mean((2, 3), keepdim=True).expand(-1, CHANNELS, HEIGHT, WIDTH) + x,
    "expand of all sizes": lambda x, _: x.expand(len(x), CHANNELS, HEIGHT, WIDTH),
    "expand of a tuple": lambda x, _: x.mean(3, keepdim=True).expand((len(x), CHANNELS, HEIGHT, WIDTH)) * x,
    "pad": lambda x, _: F.pad(x, (1, 2, 0, 1)),
    "pad keyword": lambda x, _: F.pad(x, pad=[1, 1, 1, 1], mode="reflect"),
    "pad channels by none": lambda x, _: F.pad(x, (1, 1, 0, 0, 0, 0), value=2.0),
    "slice": lambda x, _: x[:, :, 1:, ::2],
    "ellipsis": lambda x, _: x[..., 1:],
    "new axis": lambda x, _: x[:, :, None, 1],
    "reshape": lambda x, _: x.reshape(-1, CHANNELS, HEIGHT * WIDTH).unflatten(2, (HEIGHT, WIDTH)),
    "flatten": lambda x, _: x.flatten(2).view(len(x), CHANNELS, WIDTH, HEIGHT),
    "tokens": lambda x, _: x.flatten(2).transpose(1, 2).transpose(1, 2).unflatten(-1, (HEIGHT, WIDTH)),
    "unsqueeze and squeeze": lambda x, _: x.unsqueeze(1).squeeze(1),
    "add": operator.add,
    "torch.add with alpha": lambda x, y: torch.add(x, y, alpha=3.0),
    "sub of a number": lambda x, _: 1.0 - x,
    "broadcast mul": lambda x, y: x * y.mean((2, 3), keepdim=True),
    "clamp": lambda x, _: x.clamp(min=-0.2, max=0.3),
    "max_pool2d": lambda x, _: F.max_pool2d(x, 3, stride=1, padding=1),
    "avg_pool2d": lambda x, _: F.avg_pool2d(x, kernel_size=2, ceil_mode=True),
    "adaptive pooling": lambda x, _: F.adaptive_avg_pool2d(x, (2, None)),  # type: ignore[arg-type]
    "interpolate": lambda x, _: F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False),
    "to": lambda x, _: x.to(torch.float32).contiguous(),
    "leaky_relu": lambda x, _: F.leaky_relu(x, negative_slope=0.3),
}

MIXED: dict[str, Code] = {
    # channels move or meet: everything before must be computed whole
    "flip(1)": lambda x, _: x.flip(1),
    "flip(1, 3)": lambda x, _: x.flip(1, 3),
    "flip(-3)": lambda x, _: x.flip(-3),
    "torch.flip(dims=(1, 2))": lambda x, _: torch.flip(x, dims=(1, 2)),
    "roll(1)": lambda x, _: x.roll(1),
    "roll(1, 1)": lambda x, _: x.roll(1, 1),
    "roll((1, 2), (1, 2))": lambda x, _: torch.roll(x, (1, 2), (1, 2)),
    "roll dims=-3": lambda x, _: torch.roll(x, shifts=1, dims=-3),
    "mean(1)": lambda x, _: x.mean(1, keepdim=True) + x,
    "sum(dim=-3)": lambda x, _: x.sum(dim=-3).unsqueeze(1) * x,
    "sum of all": lambda x, _: x + x.sum((1, 2, 3), keepdim=True),
    "amax": lambda x, _: x + x.amax(dim=(-3,), keepdim=True),
    "pad channels": lambda x, _: F.pad(x, (0, 0, 0, 0, 1, 0))[:, :CHANNELS],
    "slice of channels": lambda x, _: torch.cat([x[:, 2:], x[:, :2]], dim=1),
    "reversed reshape": lambda x, _: x.reshape(len(x), HEIGHT, WIDTH, CHANNELS).permute(0, 3, 1, 2),
    "channel shuffle": lambda x, _: x.unflatten(1, (2, 3)).transpose(1, 2).flatten(1, 2),
    "softmax over channels": lambda x, _: x.softmax(1),
    "matmul over channels": lambda x, _: (x.flatten(2) @ x.flatten(2).mT @ x.flatten(2)).view_as(x),
    "normalize": lambda x, _: F.normalize(x, dim=1),
    "cumsum": lambda x, _: x.cumsum(1),
    "index": lambda x, _: x[:, [2, 1, 0, 5, 4, 3]],
    "max over channels": lambda x, _: x - x.max(dim=1, keepdim=True).values,
    "pixel shuffle": lambda x, _: F.pixel_unshuffle(F.pixel_shuffle(x.repeat(1, 2, 1, 1), 2), 2)[:, :CHANNELS],
    "item set": lambda x, y: _with_item(x, y),
}


def _with_item(x: Tensor, y: Tensor) -> Tensor:
    x = x.clone()
    x[:, 1] = y[:, 0]
    return x


def _gated(code: Code) -> InterroGateNetwork:
    architecture = Architecture(
        backbone="smallconv", tasks=TASKS, in_channels=3, input_size=(HEIGHT, WIDTH), decoder_width=4
    )
    encoder = trace_network(_Between(code, CHANNELS), (3, HEIGHT, WIDTH), name="module")
    heads = build_heads(architecture, encoder, architecture.task_names)
    return InterroGateNetwork(architecture, encoder, heads, layout=GateLayout(), initial_logit=1.0)


@pytest.mark.parametrize("name", [*APART, *MIXED])
@torch.no_grad()
def test_pruned_network_equals_gated_one_whatever_form_arguments_have(name: str) -> None:
    network = _gated((APART | MIXED)[name]).eval()
    generator = torch.Generator().manual_seed(0)
    randomize(network, generator)
    images = torch.randn(3, 3, HEIGHT, WIDTH, generator=generator)
    for own in (0.0, 0.5):
        network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < own for p in network.gate_pattern()))
        pruned = prune_network(network)
        for found, expected in zip(pruned(images), network(images).values(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert count_flops(pruned, (3, HEIGHT, WIDTH)) == network.flops()


@pytest.mark.parametrize("name", APART)
def test_operation_that_keeps_channels_apart_leaves_nothing_opaque(name: str) -> None:
    rules = {node.meta["rule"] for node in _gated(APART[name]).shared_encoder.graph.nodes}
    assert rules <= {ChannelRule.INPUT, ChannelRule.DENSE, ChannelRule.CHANNEL_WISE, ChannelRule.OUTPUT}


@pytest.mark.parametrize("name", MIXED)
def test_operation_that_mixes_channels_is_opaque(name: str) -> None:
    assert any(node.meta["rule"] is ChannelRule.OPAQUE for node in _gated(MIXED[name]).shared_encoder.graph.nodes)
