"""Layers written down and built again: no constructor argument may be lost."""

import copy
import inspect
import json

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces.errors import SpaceError
from gatefront.spaces.graph.attention import HeadAttention, WindowHeadAttention
from gatefront.spaces.graph.layers import LayerNorm2d
from gatefront.spaces.pruning.layer_documents import LAYERS, build_layer, layer_arguments, write_layer

MAP, TOKENS, SEQUENCE = (2, 4, 9, 8), (2, 6, 8), (2, 4, 9)

CASES: list[tuple[nn.Module, tuple[tuple[int, ...], ...]]] = [
    (nn.Linear(8, 3, bias=False), (TOKENS,)),
    (nn.Bilinear(3, 4, 5, bias=False), ((2, 3), (2, 4))),
    (nn.CosineSimilarity(dim=2, eps=0.5), (TOKENS, TOKENS)),
    (nn.Conv1d(4, 6, 3, 2, 1, 2, 2, False, "circular"), (SEQUENCE,)),
    (nn.Conv2d(4, 6, (3, 5), (2, 1), (1, 2), (2, 1), 2, False, "reflect"), (MAP,)),
    (nn.Conv2d(4, 6, 3, padding="same", padding_mode="replicate"), (MAP,)),
    (nn.Conv3d(4, 6, 2, 1, 1, 1, 2, False, "replicate"), ((2, 4, 5, 5, 5),)),
    (nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, False, 2), (SEQUENCE,)),
    (nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, False, 2), (MAP,)),
    (nn.BatchNorm1d(4, 0.1, 0.3, affine=False), (SEQUENCE,)),
    (nn.BatchNorm2d(4, 0.1, None, track_running_stats=False), (MAP,)),
    (nn.BatchNorm1d(4, 0.1, 0.3, track_running_stats=False, bias=False), (SEQUENCE,)),
    (nn.BatchNorm2d(4, 0.1, 0.3, bias=False), (MAP,)),
    (nn.BatchNorm2d(4, affine=False), (MAP,)),
    (nn.InstanceNorm1d(4, affine=True, track_running_stats=True, bias=False), (SEQUENCE,)),
    (nn.InstanceNorm2d(4, affine=True, bias=False), (MAP,)),
    (nn.GroupNorm(2, 4, bias=False), (MAP,)),
    (nn.InstanceNorm1d(4, 0.1, 0.3, affine=True), (SEQUENCE,)),
    (nn.InstanceNorm2d(4, 0.1, 0.3, affine=True, track_running_stats=True), (MAP,)),
    (nn.GroupNorm(2, 4, 0.1, affine=False), (MAP,)),
    (nn.LayerNorm((6, 8), 0.1, bias=False), (TOKENS,)),
    (nn.LayerNorm(8, 0.1, elementwise_affine=False), (TOKENS,)),
    (nn.RMSNorm(8, 0.1, elementwise_affine=False), (TOKENS,)),
    (nn.LocalResponseNorm(3, 0.1, 0.5, 2.0), (MAP,)),
    *((kind(), (MAP,)) for kind in (nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid)),
    *((kind(), (MAP,)) for kind in (nn.LogSigmoid, nn.Hardswish, nn.Hardsigmoid, nn.Tanhshrink, nn.Softsign)),
    *((kind(), (MAP,)) for kind in (nn.Softmax2d, nn.Identity)),
    (nn.LeakyReLU(0.3), (MAP,)),
    (nn.PReLU(4, 0.5), (MAP,)),
    (nn.ELU(0.3), (MAP,)),
    (nn.CELU(0.3), (MAP,)),
    (nn.GELU("tanh"), (MAP,)),
    (nn.Hardtanh(-0.2, 0.3), (MAP,)),
    (nn.Hardshrink(0.3), (MAP,)),
    (nn.Softshrink(0.3), (MAP,)),
    (nn.Softplus(2.0, 1.0), (MAP,)),
    (nn.Threshold(0.2, -3.0), (MAP,)),
    (nn.GLU(1), (MAP,)),
    (nn.Softmax(2), (MAP,)),
    (nn.LogSoftmax(3), (MAP,)),
    (nn.MaxPool1d(3, 2, 1, 2, ceil_mode=True), (SEQUENCE,)),
    (nn.MaxPool2d(3, 2, 1, 2, ceil_mode=True), (MAP,)),
    (nn.MaxPool1d(2, return_indices=True), (SEQUENCE,)),
    (nn.MaxPool2d(2, return_indices=True), (MAP,)),
    (nn.AvgPool1d(3, 2, 1, True, False), (SEQUENCE,)),
    (nn.AvgPool2d(3, 2, 1, True, False, 7), (MAP,)),
    (nn.AdaptiveAvgPool1d(3), (SEQUENCE,)),
    (nn.AdaptiveAvgPool2d((None, 3)), (MAP,)),
    (nn.AdaptiveMaxPool1d(3, return_indices=True), (SEQUENCE,)),
    (nn.AdaptiveMaxPool2d((2, 3), return_indices=True), (MAP,)),
    (nn.LPPool2d(2, 3, 2, ceil_mode=True), (MAP,)),
    (nn.Flatten(2, 3), (MAP,)),
    (nn.Upsample(size=(5, 7), mode="bilinear", align_corners=True), (MAP,)),
    (nn.Upsample(scale_factor=(1.5, 2.5), mode="bicubic", recompute_scale_factor=True), (MAP,)),
    (nn.PixelShuffle(2), (MAP,)),
    (nn.PixelUnshuffle(3), ((2, 4, 9, 6),)),
    (nn.ChannelShuffle(2), (MAP,)),
    (nn.Fold((4, 4), 2, 2, 1, 2), ((2, 8, 4),)),
    (nn.Unfold(2, 2, 1, 2), (MAP,)),
    (nn.ZeroPad2d((1, 0, 2, 3)), (MAP,)),
    (nn.ConstantPad2d((1, 0, 2, 3), 0.5), (MAP,)),
    (nn.ReflectionPad2d((1, 0, 2, 3)), (MAP,)),
    (nn.ReplicationPad2d((1, 0, 2, 3)), (MAP,)),
    (nn.CircularPad2d((1, 0, 2, 3)), (MAP,)),
    (LayerNorm2d(4, 0.1), (MAP,)),
    (HeadAttention(2, 4, scale=0.3), (TOKENS,) * 3),
    (WindowHeadAttention(2, 4, window_size=(2, 3), num_windows=2, scale=0.3), ((2, 6, 8),) * 3),
]


@pytest.mark.parametrize(("layer", "shapes"), CASES, ids=lambda value: type(value).__name__)
@torch.no_grad()
def test_write_layer_and_build_layer_give_the_same_layer(layer: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> None:
    layer = copy.deepcopy(layer).eval()
    for tensor in (*layer.parameters(), *layer.buffers()):
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    rebuilt = build_layer(json.loads(json.dumps(write_layer("layer", layer)))).eval()
    rebuilt.load_state_dict(layer.state_dict())
    inputs = [torch.randn(shape) for shape in shapes]
    expected, found = layer(*inputs), rebuilt(*inputs)
    pairs = zip(expected, found, strict=True) if isinstance(expected, tuple) else [(expected, found)]
    assert all(torch.equal(one, other) for one, other in pairs)
    assert repr(rebuilt) == repr(layer)


def test_cases_cover_every_layer_and_every_argument_off_its_default() -> None:
    """A new layer, or a new argument of a new torch, needs a case of its own."""
    always_given = {"num_windows", "scale"}
    for name, kind in LAYERS.items():
        layers = [layer for layer, _ in CASES if type(layer) is kind]
        assert layers, f"no case for {name}"
        defaults = {key: p.default for key, p in inspect.signature(kind.__init__).parameters.items()}
        for key in layer_arguments(kind):
            written = [write_layer("layer", layer)[key] for layer in layers]
            is_off = any(value != defaults[key] for value in written)
            has_one_value = key == "padding_mode" and "Transpose" in name
            assert is_off or key in always_given or has_one_value, f"{name}: {key}"


class _OwnConvolution(nn.Conv2d):
    """Calls itself a layer of torch's, and is none."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2.0


def test_write_layer_of_subclass_is_refused_by_name() -> None:
    with pytest.raises(SpaceError, match=r"layer a of type .*_OwnConvolution fits no architecture\.json"):
        write_layer("a", _OwnConvolution(3, 4, 1))
    _OwnConvolution.__name__ = "Conv2d"
    with pytest.raises(SpaceError, match=r"layer a of type .*_OwnConvolution fits no architecture\.json"):
        write_layer("a", _OwnConvolution(3, 4, 1))


def test_build_layer_of_unknown_type_is_refused() -> None:
    with pytest.raises(SpaceError, match="layer type 'Sound' is unknown"):
        build_layer({"type": "Sound"})


def test_build_layer_without_later_arguments_takes_their_defaults() -> None:
    """Documents of earlier versions name fewer arguments."""
    document = {"type": "AvgPool2d", "kernel_size": 2, "stride": 2, "padding": 0, "ceil_mode": False}
    layer = build_layer(document)
    assert isinstance(layer, nn.AvgPool2d)
    assert layer.divisor_override is None
    assert layer.count_include_pad
