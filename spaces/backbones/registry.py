"""Registry of backbones by name: gatefront's own, the user's ``package.module:factory``, and timm's."""

import sys
from collections.abc import Callable

from torch import nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.backbones.feature_check import check_features
from gatefront.spaces.backbones.plain_attention import use_plain_attention
from gatefront.spaces.backbones.plain_layers import use_plain_layers, use_plain_stochastic_depth
from gatefront.spaces.backbones.resnet20 import ResNet20
from gatefront.spaces.backbones.smallconv import SmallConv
from gatefront.spaces.backbones.timm_features import build_timm_backbone
from gatefront.spaces.backbones.user_module import FeatureList, build_user_backbone
from gatefront.spaces.backbones.weights import load_weights
from gatefront.spaces.errors import SpaceError

OWN_BACKBONES: dict[str, Callable[[Architecture], nn.Module]] = {"smallconv": SmallConv, "resnet20": ResNet20}


def build_backbone(architecture: Architecture) -> nn.Module:
    """Return a module ``images -> list of features`` at width 1.0 of its family, made of plain layers, not yet traced.

    A feature is ``[batch, channels, height, width]``, or ``[batch, channels]`` for a backbone that ends in
    a linear layer. Own backbones apply ``architecture.width`` themselves.

    Raises:
        UnknownBackboneError: the name is neither in ``OWN_BACKBONES`` nor in timm.
        SpaceError: it cannot be built as asked, its weights do not fit, or the images are too small for it.
    """
    backbone = create_backbone(architecture)
    use_plain_modules(backbone)
    check_features(backbone, architecture)
    return backbone


def create_backbone(architecture: Architecture) -> nn.Module:
    """Return the backbone as its author wrote it, with the stem and the weights that the architecture names.

    Raises:
        UnknownBackboneError, SpaceError: as :func:`build_backbone`.
    """
    name = architecture.backbone
    own = OWN_BACKBONES.get(name)
    if own is None and ":" not in name:
        return build_timm_backbone(architecture, own_names=tuple(OWN_BACKBONES))
    _refuse_timm_options(architecture)
    backbone = own(architecture) if own is not None else build_user_backbone(architecture)
    if architecture.weights is not None:
        load_weights(backbone.module if isinstance(backbone, FeatureList) else backbone, architecture)
    return backbone


def use_plain_modules(backbone: nn.Module) -> None:
    """Replace layers of timm and torchvision by the plain layers that pruning knows, in place."""
    use_plain_stochastic_depth(backbone)
    if "timm" in sys.modules:  # else none of its layers can be in a module of the user's
        use_plain_attention(backbone)
        use_plain_layers(backbone)


def _refuse_timm_options(architecture: Architecture) -> None:
    name = architecture.backbone
    if architecture.pretrained:
        raise SpaceError(
            f"network.pretrained = true is for timm's networks; nobody publishes weights of {name!r}.",
            hint='Set network.pretrained = false, or give a file: network.weights = "path".',
        )
    if architecture.output_stride is not None:
        raise SpaceError(
            f"network.output_stride = {architecture.output_stride} does not apply to {name!r}: its strides are fixed.",
            hint="Leave output_stride out, or choose a ResNet of timm.",
        )
