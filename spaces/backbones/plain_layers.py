"""Replacement of timm's and torchvision's layers by equivalent plain layers."""

from typing import Any

from torch import nn

from gatefront.spaces.graph.layers import DropPath, LayerNorm2d


def use_plain_layers(model: nn.Module) -> None:
    """Replace norms, activations and disabled dropout in place. Outputs stay the same.

    Gates and pruning then handle a few known layers instead of timm's many.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            plain = _plain(child)
            if plain is not None:
                plain.train(child.training)
                parent.add_module(name, plain)


def use_plain_stochastic_depth(model: nn.Module) -> None:
    """Replace torchvision's stochastic depth for whole images in place.

    The same seed drops the same images as before.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            known: Any = child
            if type(child).__module__ == "torchvision.ops.stochastic_depth" and known.mode == "row":
                parent.add_module(name, _drop_path(known.p, True).train(child.training))


def _plain(layer: Any) -> nn.Module | None:
    """Return the plain equivalent of one layer, or None if there is none or the layer is plain already."""
    from timm.layers.activations import GELU, GELUTanh
    from timm.layers.drop import DropPath as TimmDropPath
    from timm.layers.norm import LayerNorm
    from timm.layers.norm import LayerNorm2d as TimmLayerNorm2d
    from timm.layers.norm_act import BatchNormAct2d

    if isinstance(layer, BatchNormAct2d):
        return nn.Sequential(_batch_norm(layer), *(_plain(part) or part for part in (layer.drop, layer.act)))
    if type(layer) is LayerNorm:
        return _layer_norm(layer)
    if type(layer) is TimmLayerNorm2d and layer.elementwise_affine:
        norm = LayerNorm2d(layer.normalized_shape[0], layer.eps)
        norm.load_state_dict(layer.state_dict())
        return norm
    if type(layer) is GELU:
        return nn.GELU()
    if type(layer) is GELUTanh:
        return nn.GELU(approximate="tanh")
    if type(layer) is TimmDropPath:
        return _drop_path(layer.drop_prob, layer.scale_by_keep)
    if type(layer) is nn.Dropout and layer.p == 0:
        return nn.Identity()
    return None


def _drop_path(drop_prob: float | None, scale_by_keep: bool) -> nn.Module:
    return DropPath(drop_prob, scale_by_keep=scale_by_keep) if drop_prob else nn.Identity()


def _batch_norm(fused: nn.BatchNorm2d) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(
        fused.num_features,
        eps=fused.eps,
        momentum=fused.momentum,
        affine=fused.affine,
        track_running_stats=fused.track_running_stats,
    )
    norm.load_state_dict(fused.state_dict())
    return norm


def _layer_norm(layer: nn.LayerNorm) -> nn.LayerNorm:
    norm = nn.LayerNorm(
        layer.normalized_shape, eps=layer.eps, elementwise_affine=layer.elementwise_affine, bias=layer.bias is not None
    )
    norm.load_state_dict(layer.state_dict())
    return norm
