"""timm's networks as feature extractors, with plain torch layers and, if asked for, a stem for small images."""

import difflib
import logging
from types import ModuleType
from typing import Any

import torch
from torch import nn

from spaces.architecture import Architecture
from spaces.errors import SpaceError, UnknownBackboneError

logger = logging.getLogger(__name__)


def build_timm_backbone(architecture: Architecture, *, own_names: tuple[str, ...]) -> nn.Module:
    """The timm model of that name, returning the maps its heads read, coarsest last.

    Raises:
        UnknownBackboneError: timm has no such model; the message names the nearest ones.
        SpaceError: the model offers no feature maps, no replaceable stem, or its weights cannot be had.
    """
    timm = import_timm()
    name = architecture.backbone
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*own_names, *timm.list_models()], n=3, cutoff=0.5)
        raise UnknownBackboneError(
            f"network.backbone {name!r} is neither a backbone of gatefront nor of timm {timm.__version__}.",
            hint=f"Nearest: {', '.join(near)}." if near else "`timm.list_models()` lists the names.",
        )
    model = _create(timm, architecture)
    if architecture.stem == "small":
        _shrink_stem(model, name)
    _use_plain_layers(model)
    return model


def import_timm() -> ModuleType:
    """timm, also beside a CPU-only torch.

    timm imports torchvision, whose wheels are built for CUDA. Beside a CPU-only torch its extension does
    not load, and its import fails on two operators that nobody here calls; declaring them is enough.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        global _torchvision_operators  # a Library undoes its definitions when it is collected
        _torchvision_operators = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            _torchvision_operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        import torchvision  # noqa: F401
    import timm

    module: ModuleType = timm
    return module


_torchvision_operators: torch.library.Library | None = None


def _create(timm: Any, architecture: Architecture) -> nn.Module:
    name = architecture.backbone
    options: dict[str, Any] = {"in_chans": architecture.in_channels, "pretrained": architecture.pretrained}
    try:
        if not any(task.is_dense for task in architecture.tasks):
            model: nn.Module = timm.create_model(name, features_only=True, out_indices=(-1,), **options)
            return model
        # Maps finer than a quarter (a half behind a small stem) cost a dense head more than they give it.
        first = 2 if architecture.stem == "small" else 1
        model = timm.create_model(name, features_only=True, **options)
        count = len(model.feature_info)  # type: ignore[arg-type]
        return timm.create_model(name, features_only=True, out_indices=tuple(range(first, count)), **options)  # type: ignore[no-any-return]
    except RuntimeError as error:
        raise SpaceError(
            f"network.backbone {name!r} gives no feature maps: {error}", hint="Choose a convolutional network of timm."
        ) from error
    except OSError as error:
        raise SpaceError(
            f"the pretrained weights of {name!r} cannot be fetched: {error}",
            hint="Set network.pretrained = false, or run once where the weights' host is reachable.",
        ) from error


def _shrink_stem(model: nn.Module, name: str) -> None:
    """Stride 1 and 3x3 instead of an ImageNet stem, no max-pooling."""
    if hasattr(model, "conv_stem") and isinstance(model.conv_stem, nn.Conv2d):
        model.conv_stem.stride = (1, 1)
        return
    stem = getattr(model, "conv1", None)
    if not isinstance(stem, nn.Conv2d):
        raise SpaceError(
            f"network.stem = 'small' cannot be used with {name!r}: its stem is not one convolution.",
            hint="Use stem = 'default', or a ResNet, MobileNetV3 or EfficientNet.",
        )
    model.conv1 = nn.Conv2d(stem.in_channels, stem.out_channels, 3, stride=1, padding=1, bias=stem.bias is not None)
    if isinstance(getattr(model, "maxpool", None), nn.Module):
        model.maxpool = nn.Identity()


def _use_plain_layers(model: nn.Module) -> None:
    """Replace timm's fused norm-and-activation by the two torch layers it stands for, in place."""
    from timm.layers.norm_act import BatchNormAct2d

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BatchNormAct2d):
                parent.add_module(name, nn.Sequential(_plain_norm(child), child.drop, child.act))


def _plain_norm(fused: nn.BatchNorm2d) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(
        fused.num_features,
        eps=fused.eps,
        momentum=fused.momentum,
        affine=fused.affine,
        track_running_stats=fused.track_running_stats,
    )
    norm.load_state_dict(fused.state_dict())
    return norm
