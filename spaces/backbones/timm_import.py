"""Import of timm that also works beside a CPU-only torch."""

from types import ModuleType

import torch

_torchvision_operators: torch.library.Library | None = None


def import_timm() -> ModuleType:
    """Import and return the timm package.

    timm imports torchvision, whose wheels are built for CUDA. Beside a CPU-only torch the extension of torchvision does
    not load, and its import fails on two operators that nobody here calls. These operators are then declared before a
    second attempt.
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
