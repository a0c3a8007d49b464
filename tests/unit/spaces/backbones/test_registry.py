"""Backbones: timm's outputs kept, own networks, the user's module, weights from files, refusals."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from gatefront.spaces import Architecture, SpaceError, Task, build_gated_network, count_flops, prune_network
from gatefront.spaces.backbones import build_backbone
from gatefront.spaces.backbones.plain_attention import use_plain_attention
from gatefront.spaces.backbones.timm_import import import_timm
from gatefront.spaces.graph.attention import HeadAttention, WindowHeadAttention
from gatefront.spaces.graph.layers import LayerNorm2d

LABEL = Task(name="label", kind="classification", num_outputs=3)
DEPTH = Task(name="depth", kind="depth", num_outputs=1)

TIMM_TRANSFORMERS = {
    "vit_tiny_patch16_224": (48, 32),
    "deit3_small_patch16_224": (32, 32),
    "pvt_v2_b0": (64, 96),
    "pvt_v2_b2_li": (64, 64),
    "swin_tiny_patch4_window7_224": (64, 96),
}


def _architecture(backbone: str, **changes: Any) -> Architecture:
    fields: dict[str, Any] = {"tasks": (LABEL,), "in_channels": 3, "input_size": (32, 32)}
    return Architecture(backbone=backbone, **(fields | changes))


def _build(backbone: str, **changes: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_backbone(_architecture(backbone, **changes))


def _timm_model(name: str, **options: Any) -> Any:
    """timm's own, with every parameter off its default: layer scales of 1e-6 would hide what is behind them."""
    torch.manual_seed(1)
    model = import_timm().create_model(name, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.05)
    return model


def _save(model: nn.Module, path: Path) -> str:
    torch.save(model.state_dict(), path)
    return str(path)


@pytest.fixture
def user_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("mynets_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", TIMM_TRANSFORMERS)
@torch.no_grad()
def test_transformer_gives_what_timm_gives_with_projections_of_its_own(name: str, tmp_path: Path) -> None:
    size = TIMM_TRANSFORMERS[name]
    options = {} if name.startswith("pvt") else {"img_size": size}
    model = _timm_model(name, num_classes=5, **options)
    weights = _save(model, tmp_path / "weights.pt")
    backbone = _build(name, input_size=size, weights=weights, tasks=(DEPTH,)).eval()
    images = torch.randn(2, 3, *size)
    expected = model.forward_features(images)
    *_, found = backbone(images)
    if name.startswith("swin"):
        expected = expected.permute(0, 3, 1, 2)
    elif not name.startswith("pvt"):
        expected = expected[:, 1:].transpose(1, 2).unflatten(2, found.shape[2:])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert any(isinstance(module, HeadAttention) for module in backbone.modules())
    assert not [name for name, _ in backbone.named_modules() if name.endswith(("qkv", "kv"))]


@torch.no_grad()
def test_vit_gives_four_maps_of_evenly_spaced_blocks_and_one_for_classification() -> None:
    dense = _build("vit_tiny_patch16_224", input_size=(32, 48), tasks=(DEPTH, LABEL)).eval()
    single = _build("vit_tiny_patch16_224", input_size=(32, 48)).eval()
    images = torch.randn(1, 3, 32, 48)
    maps = dense(images)
    assert [feature.shape for feature in maps] == [(1, 192, 2, 3)] * 4
    _, blocks = dense.model.forward_intermediates(images)  # type: ignore[operator,union-attr]
    for found, index in zip(maps[:-1], (2, 5, 8), strict=True):
        torch.testing.assert_close(found, blocks[index])
    assert maps[-1].mean(dim=1).abs().max() < 1e-5 < blocks[-1].mean(dim=1).abs().max()  # normed, unlike the block
    (last,) = single(images)
    torch.testing.assert_close(last, maps[-1])


@torch.no_grad()
def test_swin_shifts_windows_with_the_mask_inside_the_attention() -> None:
    backbone = _build("swin_tiny_patch4_window7_224", input_size=(64, 64), tasks=(DEPTH,))
    masks = [module.shift_mask for module in backbone.modules() if isinstance(module, WindowHeadAttention)]
    assert [mask is not None for mask in masks[:4]] == [False, True, False, True]
    assert [feature.shape[1:] for feature in backbone(torch.zeros(2, 3, 64, 64))] == [
        (96, 16, 16),
        (192, 8, 8),
        (384, 4, 4),
        (768, 2, 2),
    ]


@pytest.mark.parametrize(
    "name", ["convnext_atto", "convnext_tiny", "resnext50_32x4d", "regnety_002", "efficientnet_b0"]
)
@torch.no_grad()
def test_convolutional_network_of_plain_layers_gives_timm_s_maps(name: str, tmp_path: Path) -> None:
    model = _timm_model(name)
    backbone = _build(name, input_size=(64, 64), tasks=(DEPTH,), weights=_save(model, tmp_path / "w.pt")).eval()
    images = torch.randn(1, 3, 64, 64)
    features = backbone(images)
    assert [tuple(feature.shape[2:]) for feature in features] == [(16, 16), (8, 8), (4, 4), (2, 2)]
    expected = model.forward_intermediates(images, intermediates_only=True)[-4:]
    for found, wanted in zip(features, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    foreign = {type(m).__module__ for m in backbone.modules() if not list(m.children()) and list(m.parameters())}
    assert {module for module in foreign if module.startswith("timm")} <= {"timm.models.convnext"}
    assert not any(type(module) is nn.Dropout and module.p == 0 for module in backbone.modules())


@torch.no_grad()
def test_layer_norm_over_channels_is_the_norm_of_each_place() -> None:
    norm = LayerNorm2d(6, eps=1e-5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    feature = torch.randn(2, 6, 3, 4)
    place = feature[1, :, 2, 3]
    expected = (place - place.mean()) / (place.var(unbiased=False) + 1e-5).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(norm(feature)[1, :, 2, 3], expected)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "regnetx_002", "convnext_atto"])
@pytest.mark.parametrize(("stride", "coarsest"), [(8, 8), (16, 4), (32, 2)])
@torch.no_grad()
def test_output_stride_keeps_the_coarsest_map_large(name: str, stride: int, coarsest: int) -> None:
    backbone = _build(name, input_size=(64, 64), output_stride=stride, tasks=(DEPTH,)).eval()
    features = backbone(torch.zeros(1, 3, 64, 64))
    assert features[0].shape[2:] == (16, 16)
    assert features[-1].shape[2:] == (coarsest, coarsest)


@torch.no_grad()
def test_output_stride_counts_the_small_stem() -> None:
    (feature,) = _build("mobilenetv3_small_100", stem="small", output_stride=8).eval()(torch.zeros(1, 3, 32, 32))
    assert feature.shape[2:] == (4, 4)
    (feature,) = _build("resnet18", stem="small", output_stride=8).eval()(torch.zeros(1, 3, 32, 32))
    assert feature.shape[2:] == (4, 4)


@pytest.mark.parametrize(
    ("backbone", "changes", "message"),
    [
        ("densenet121", {"output_stride": 8}, "output_stride = 8 is not supported by 'densenet121'.*ResNet"),
        ("vit_tiny_patch16_224", {"output_stride": 8}, "output_stride = 8 is not supported by 'vit_tiny"),
        ("vit_tiny_patch16_224", {"output_stride": 32}, "output_stride = 32 cannot be had of .* stride is 16"),
        ("resnet18", {"output_stride": 16, "stem": "small"}, "small stem, whose stride is 8.*ask for 8 or less"),
        ("resnet20", {"output_stride": 8}, "does not apply to 'resnet20'"),
        ("smallconv", {"pretrained": True}, "nobody publishes weights of 'smallconv'.*network.weights"),
        ("vit_tiny_patch16_224", {"input_size": (40, 32)}, "patches of 16x16 px, which do not fill 40x32.*32x32 px"),
        ("vit_tiny_patch16_224", {"input_size": (16, 16), "tasks": (DEPTH,)}, "depth predicts every pixel .* 1x1"),
        ("resnet18", {"decoder": "deeplab", "tasks": (DEPTH,)}, "from a map of 1x1 .* decoder 'deeplab'"),
        ("convnext_atto", {"input_size": (2, 2)}, "fails on an image of 3 channels and 2x2 px"),
        ("coatnet_0_224", {"pretrained": True, "input_size": (224, 224)}, "timm publishes no weights of 'coatnet"),
    ],
)
def test_what_cannot_be_built_is_refused(backbone: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        _build(backbone, **changes)
    assert caught.match(f"(?s){message}")


@torch.no_grad()
def test_resnet20_has_the_published_size_and_scales_with_width() -> None:
    backbone = _build("resnet20").eval()
    (feature,) = backbone(torch.randn(2, 3, 32, 32))
    assert feature.shape == (2, 64, 8, 8)
    convolutions = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 19 + 2  # ResNet-20 less its linear layer, and two shortcuts
    assert sum(m.weight.numel() for m in convolutions if m.kernel_size == (3, 3)) == 267_696
    fine, coarse = _build("resnet20", width=0.5, tasks=(DEPTH,)).eval()(torch.randn(2, 3, 48, 32))
    assert (fine.shape, coarse.shape) == ((2, 16, 24, 16), (2, 32, 12, 8))


def test_own_backbone_takes_weights_from_a_file(tmp_path: Path) -> None:
    trained = _build("resnet20")
    nn.init.normal_(trained.conv1.weight)  # type: ignore[arg-type,union-attr]
    safetensors.torch.save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    loaded = _build("resnet20", weights=str(tmp_path / "weights.safetensors"))
    assert torch.equal(loaded.conv1.weight, trained.conv1.weight)  # type: ignore[arg-type,union-attr]
    with pytest.raises(SpaceError, match=r"of another shape \(conv1\.weight is \[16, 3, 3, 3\] and should be \[8,"):
        _build("resnet20", weights=str(tmp_path / "weights.safetensors"), width=0.5)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@torch.no_grad()
def test_weights_of_timm_load_with_another_classifier_another_stem_and_other_channels(
    suffix: str, tmp_path: Path
) -> None:
    model = _timm_model("resnet18", num_classes=7)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "safetensors":
        safetensors.torch.save_file(model.state_dict(), path)
    else:
        torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}, "epoch": 3}, path)
    backbone = _build("resnet18", weights=str(path), stem="small", in_channels=1)
    assert torch.equal(backbone.layer4[1].conv2.weight, model.layer4[1].conv2.weight)  # type: ignore[index,union-attr]
    images = torch.randn(1, 3, 64, 64)
    (found,) = _build("resnet18", weights=str(path), input_size=(64, 64)).eval()(images)
    torch.testing.assert_close(found, model.forward_features(images))
    grey = _timm_model("resnet18", in_chans=1)
    backbone = _build("resnet18", weights=_save(grey, tmp_path / "grey.pt"), in_channels=1)
    assert torch.equal(backbone.conv1.weight, grey.conv1.weight)  # type: ignore[arg-type,union-attr]


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    state = _timm_model("resnet18").state_dict()
    for key in [key for key in state if key.startswith("layer4.1")]:
        state[key.replace("layer4.1", "layer5.0")] = state.pop(key)
    state["conv1.weight"] = torch.zeros(64, 3, 5, 5)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(SpaceError) as caught:
        _build("resnet18", weights=str(tmp_path / "other.pt"))
    assert "do not fit 'resnet18'" in caught.value.message
    assert "10 missing (layer4.1.conv1.weight, layer4.1.bn1.weight, layer4.1.bn1.bias, ...)" in caught.value.message
    assert "12 unknown (layer5.0." in caught.value.message
    assert "1 of another shape (conv1.weight is [64, 3, 5, 5] and should be [64, 3, 7, 7])" in caught.value.message


@pytest.mark.parametrize("content", [b"", b"no weights", {"a": 1}, [torch.zeros(1)], nn.Linear(1, 1)])
def test_file_without_weights_is_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(SpaceError, match=r"weights\.pt' (cannot be read|holds no state dict)"):
        _build("resnet18", weights=str(path))
    with pytest.raises(SpaceError, match="is no file"):
        _build("resnet18", weights=str(tmp_path / "absent.pt"))


def test_weights_out_of_reach_say_how_to_give_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = import_timm()

    def unreachable(name: str, **options: Any) -> nn.Module:
        if options.get("pretrained"):
            raise ConnectionError("no route to host")
        model: nn.Module = create_model(name, **options)
        return model

    create_model = timm.create_model
    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(SpaceError, match=r"cannot be fetched: no route to host .*network\.weights = \"path\""):
        _build("resnet18", pretrained=True)


def test_network_without_feature_maps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def featureless(name: str, **options: Any) -> nn.Module:
        raise RuntimeError("features_only not implemented for this model")

    monkeypatch.setattr(import_timm(), "create_model", featureless)
    with pytest.raises(SpaceError, match=r"'resnet26' gives no feature maps: features_only not .*module:factory"):
        _build("resnet26")


USER_MODULE = """
import torch
from torch import nn


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 5, 3, 2)

    def forward(self, images):
        fine = self.first(images)
        return fine, self.second(fine)


def single():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())


def forgetful():
    single()


def eager():
    return single()(torch.zeros(1, 3, 8, 8))


def wordy(size):
    return Two()


def picky():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))


def tokens():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2))


setting = 3
"""


@torch.no_grad()
def test_module_of_the_user_is_a_backbone(user_package: Path) -> None:
    (user_package / "mynets_good.py").write_text(USER_MODULE)
    images = torch.randn(2, 3, 32, 32)
    fine, coarse = _build("mynets_good:Two", tasks=(DEPTH,))(images)
    assert (fine.shape, coarse.shape) == ((2, 4, 16, 16), (2, 5, 7, 7))
    features: list[Tensor] = _build("mynets_good:single")(images)
    assert [feature.shape for feature in features] == [(2, 4, 16, 16)]


SMALL_SWIN = """
from timm.models.swin_transformer import SwinTransformer
from torch import nn


class SmallSwin(SwinTransformer):
    def __init__(self):
        super().__init__(
            img_size=32, patch_size=4, window_size=4, embed_dim=8, depths=(2, 2), num_heads=(2, 4), num_classes=0
        )
        nn.init.normal_(self.layers[0].blocks[1].attn.relative_position_bias_table)

    def forward(self, images):
        return self.forward_features(images).permute(0, 3, 1, 2)
"""


@torch.no_grad()
def test_timm_layers_in_a_module_of_the_user_become_plain_and_heads_are_gated(user_package: Path) -> None:
    import_timm()
    (user_package / "mynets_swin.py").write_text(SMALL_SWIN)
    architecture = _architecture("mynets_swin:SmallSwin", tasks=(LABEL, replace(LABEL, name="other")))
    network = build_gated_network(architecture).eval()
    generator = torch.Generator().manual_seed(3)
    network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < 0.4 for p in network.gate_pattern()))
    images = torch.randn(3, 3, 32, 32, generator=generator)
    pruned = prune_network(network)
    attentions = [module for module in pruned.modules() if isinstance(module, WindowHeadAttention)]
    assert {attention.num_heads for attention in attentions} & {1, 3}  # some heads were left out
    for found, expected in zip(pruned(images), network(images).values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert network.flops() == count_flops(pruned, (3, 32, 32))


def test_attention_with_more_to_it_is_left_as_timm_made_it() -> None:
    layers = import_timm().layers
    kept = {"qk_norm": True, "norm_layer": nn.LayerNorm}, {"attn_drop": 0.1}, {"proj_drop": 0.1}
    model = nn.ModuleList([layers.Attention(8, 2, **options) for options in (*kept, {})])
    use_plain_attention(model)
    assert [type(module) is layers.Attention for module in model] == [True, True, True, False]
    with pytest.raises(SpaceError, match="a mask has no plain twin"):
        model[-1](torch.zeros(1, 3, 8), attn_mask=torch.zeros(3, 3))


def test_module_of_the_user_takes_its_own_state_dict(user_package: Path) -> None:
    (user_package / "mynets_good.py").write_text(USER_MODULE)
    trained = _build("mynets_good:Two").module
    path = _save(trained, user_package / "two.pt")  # type: ignore[arg-type]
    torch.manual_seed(5)
    loaded = build_backbone(_architecture("mynets_good:Two", weights=path)).module
    assert torch.equal(loaded.second.weight, trained.second.weight)  # type: ignore[arg-type,union-attr]


@pytest.mark.parametrize(
    ("backbone", "changes", "message"),
    [
        ("mynets_absent.encoder:build", {}, "no module mynets_absent on Python's path.*PYTHONPATH"),
        ("mynets_bad:build", {}, "importing mynets_bad failed with SyntaxError"),
        ("mynets_needy:build", {}, "importing mynets_needy failed: No module named 'mynets_nowhere'"),
        ("mynets_old:build", {}, r"No module named 'spaces\.layers'.*Import gatefront\.spaces\.layers"),
        ("mynets_user:", {}, "not of the form package.module:factory"),
        ("mynets_user:singel", {}, r"mynets_user\.py: has no such name.*Nearest: single"),
        ("mynets_user:setting", {}, "setting is a int, which cannot be called"),
        ("mynets_user:forgetful", {}, "the factory gave a NoneType, not a torch.nn.Module"),
        ("mynets_user:eager", {}, r"the factory gave a tensor \[1, 4, 4, 4\]"),
        ("mynets_user:wordy", {}, "calling the factory failed with TypeError: .*size.*without arguments"),
        ("mynets_user:picky", {}, r"fails on images \[1, 3, 32, 32\]: RuntimeError: mat1 and mat2"),
        ("mynets_user:Two", {"input_size": (3, 3)}, r"fails on images \[1, 3, 3, 3\]: RuntimeError: .*[Kk]ernel size"),
        ("mynets_user:tokens", {}, r"gives a list of a tensor \[1, 4, 900\] for one image"),
        ("mynets_user:Two", {"stem": "small"}, "stem = 'small' does not apply"),
        ("mynets_user:Two", {"pretrained": True}, "nobody publishes weights"),
        ("mynets_user:Two", {"output_stride": 8}, "output_stride = 8 does not apply"),
    ],
)
def test_module_of_the_user_that_does_not_fit_is_refused(
    backbone: str, changes: dict[str, Any], message: str, user_package: Path
) -> None:
    (user_package / "mynets_user.py").write_text(USER_MODULE)
    (user_package / "mynets_bad.py").write_text("def build(:\n")
    (user_package / "mynets_needy.py").write_text("import mynets_nowhere\n")
    # PyPI has a package of this name; here it is one without our modules.
    (user_package / "spaces").mkdir()
    (user_package / "spaces" / "__init__.py").touch()
    (user_package / "mynets_old.py").write_text("from spaces.layers import LayerNorm2d\n")
    with pytest.raises(SpaceError) as caught:
        _build(backbone, **changes)
    assert caught.match(f"(?s){message}")
