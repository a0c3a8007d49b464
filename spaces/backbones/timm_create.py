"""Creation of timm models with a given size, number of channels and weights, and with readable errors."""

import sys
from typing import Any

from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.backbones.timm_import import import_timm
from gatefront.spaces.backbones.weights import read_weights, refuse_mismatch
from gatefront.spaces.errors import SpaceError


def create_timm_model(architecture: Architecture, **options: Any) -> Any:
    """Create a timm model without classifier, with the weights that the architecture names.

    Raises:
        SpaceError: timm refuses the options, or the weights cannot be fetched, read or fitted.
    """
    timm = import_timm()
    name = architecture.backbone
    options |= _size_options(timm, architecture)
    if architecture.weights is not None:
        options |= _file_options(timm, architecture)
    elif architecture.pretrained:
        _refuse_unpublished(timm, name)
        options["pretrained"] = True
    if not options.get("features_only"):
        options["num_classes"] = 0
    try:
        return timm.create_model(name, **options)
    except OSError as error:
        raise SpaceError(
            f"the pretrained weights of {name!r} cannot be fetched: {_first_line(error)}",
            hint='Give a file of them: network.weights = "path"; or set network.pretrained = false.',
        ) from error
    except (TypeError, AssertionError, NotImplementedError) as error:
        if "output_stride" not in options:
            raise
        raise SpaceError(
            f"network.output_stride = {architecture.output_stride} is not supported by {name!r}: {_first_line(error)}",
            hint="Leave output_stride out, or choose a ResNet, ResNeXt, RegNet or ConvNeXt.",
        ) from error


def _size_options(timm: Any, architecture: Architecture) -> dict[str, Any]:
    options: dict[str, Any] = {"in_chans": architecture.in_channels}
    config = timm.get_pretrained_cfg(architecture.backbone)
    if config is not None and config.fixed_input_size:
        options["img_size"] = architecture.input_size
    return options


def _refuse_unpublished(timm: Any, name: str) -> None:
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise SpaceError(
            f"timm publishes no weights of {name!r}.",
            hint='Set network.pretrained = false, or give a file: network.weights = "path".',
        )


def _file_options(timm: Any, architecture: Architecture) -> dict[str, Any]:
    """Return options with which timm loads the tensors of the weights file, once they are known to fit.

    timm itself adapts stems and position embeddings.
    """
    state = read_weights(str(architecture.weights))
    config = timm.get_pretrained_cfg(architecture.backbone, allow_unregistered=True)
    size_options = _size_options(timm, architecture)
    stem = state.get(f"{config.first_conv}.weight")
    if stem is None or stem.ndim != 4 or stem.shape[1] != architecture.in_channels:
        del size_options["in_chans"]  # of the model's own number, from which timm makes the number asked for
    whole = timm.create_model(architecture.backbone, num_classes=0, **size_options)
    classifiers = (config.classifier,) if isinstance(config.classifier, str) else config.classifier or ()
    heads = tuple(f"{classifier.partition('.')[0]}." for classifier in classifiers)
    refuse_mismatch(whole.state_dict(), _convert(state, whole, architecture), architecture, unused=heads)
    overlay = {"state_dict": state, "custom_load": False}
    return {"pretrained": True, "pretrained_cfg_overlay": overlay}


def _convert(state: dict[str, Tensor], model: nn.Module, architecture: Architecture) -> dict[str, Tensor]:
    """Return the state in the form in which timm will load it.

    Families of timm's models rename and resize old checkpoints in their own ``checkpoint_filter_fn``.
    """
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    try:
        converted: dict[str, Tensor] = dict(state) if convert is None else convert(dict(state), model)
    except (KeyError, RuntimeError, ValueError, AttributeError) as error:
        raise SpaceError(
            f"network.weights {architecture.weights!r} are not of {architecture.backbone!r}: {_first_line(error)}",
            hint="Give a file of this very network.",
        ) from error
    return converted


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
