"""Backbone name -> module. Own backbones are the visible dict; every other name is timm's."""

from collections.abc import Callable

from torch import nn

from spaces.architecture import Architecture
from spaces.backbones.smallconv import SmallConv
from spaces.backbones.timm_features import build_timm_backbone

OWN_BACKBONES: dict[str, Callable[[Architecture], nn.Module]] = {"smallconv": SmallConv}


def build_backbone(architecture: Architecture) -> nn.Module:
    """A module ``images -> list of features`` at width 1.0 of its family, not yet traced.

    A feature is ``[batch, channels, height, width]``, or ``[batch, channels]`` for a backbone that ends in
    a linear layer. Own backbones apply ``architecture.width`` themselves.

    Raises:
        UnknownBackboneError: the name is neither in ``OWN_BACKBONES`` nor in timm.
    """
    own = OWN_BACKBONES.get(architecture.backbone)
    if own is not None:
        return own(architecture)
    return build_timm_backbone(architecture, own_names=tuple(OWN_BACKBONES))
