"""Stem for images of 32 to 64 px in place of an ImageNet stem."""

from torch import nn

from gatefront.spaces.errors import SpaceError


def shrink_stem(model: nn.Module, name: str) -> None:
    """Replace the stem of an ImageNet network by one of stride 1, in place.

    A ``conv_stem`` keeps its kernel. A ``conv1`` becomes a 3x3 convolution, and the max-pooling behind it is left out.

    Raises:
        SpaceError: the model's stem is not one convolution.
    """
    if isinstance(getattr(model, "conv_stem", None), nn.Conv2d):
        model.conv_stem.stride = (1, 1)  # type: ignore[assignment]
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


def small_stem_factor(model: nn.Module) -> int:
    """Return the factor by which :func:`shrink_stem` divides the model's strides.

    It is 1 for a stem that cannot be replaced.
    """
    stem = getattr(model, "conv_stem", None) or getattr(model, "conv1", None)
    if not isinstance(stem, nn.Conv2d):
        return 1
    pooled = stem is getattr(model, "conv1", None) and isinstance(getattr(model, "maxpool", None), nn.Module)
    return int(stem.stride[0]) * (2 if pooled else 1)
