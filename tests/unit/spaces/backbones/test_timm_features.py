"""Feature levels of timm's networks: those that timm names, with timm's channels and strides."""

import warnings
from typing import Any

import pytest
import torch

from gatefront.spaces import Architecture, Task
from gatefront.spaces.backbones import build_backbone, create_backbone
from gatefront.spaces.backbones.timm_import import import_timm

LABEL = Task(name="label", kind="classification", num_outputs=3)
DEPTH = Task(name="depth", kind="depth", num_outputs=1)

LEVELS: dict[str, tuple[int, list[tuple[int, int]], tuple[int, int]]] = {
    # image size, (channels, stride) of the maps that dense tasks read, and of the one for classification
    "dla34": (64, [(64, 4), (128, 8), (256, 16), (512, 32)], (512, 32)),
    "tresnet_m": (64, [(64, 4), (128, 8), (1024, 16), (2048, 32)], (2048, 32)),
    "selecsls42": (64, [(128, 4), (288, 8), (480, 16), (1024, 32), (1280, 64)], (1280, 64)),
    "xception41": (64, [(256, 4), (728, 8), (1024, 16), (2048, 32)], (2048, 32)),
    "csatv2": (128, [(32, 8), (72, 16), (168, 32), (386, 64)], (386, 64)),
    "volo_d1_224": (64, [(192, 8), (384, 16)], (384, 16)),
    "convit_tiny": (64, [(192, 16)] * 4, (192, 16)),
    "swinv2_tiny_window8_256": (64, [(96, 4), (192, 8), (384, 16), (768, 32)], (768, 32)),
    "resnet18": (64, [(64, 4), (128, 8), (256, 16), (512, 32)], (512, 32)),
}


def _levels(name: str, size: int, task: Task) -> list[tuple[int, int]]:
    architecture = Architecture(backbone=name, tasks=(task,), in_channels=3, input_size=(size, size))
    features = build_backbone(architecture).eval()(torch.zeros(1, 3, size, size))
    return [(feature.shape[1], size // feature.shape[2]) for feature in features]


@pytest.mark.parametrize("name", LEVELS)
@torch.no_grad()
def test_build_backbone_of_timm_reads_the_levels_that_timm_names(name: str) -> None:
    size, maps, last = LEVELS[name]
    assert _levels(name, size, DEPTH) == maps
    assert _levels(name, size, LABEL) == [last]


@torch.no_grad()
def test_build_backbone_of_one_stride_reads_blocks_spread_over_the_whole_depth() -> None:
    """Its maps are those of blocks 3, 6, 9 and 12, not those of the first four."""
    architecture = Architecture(backbone="convit_tiny", tasks=(DEPTH,), in_channels=3, input_size=(32, 32))
    backbone: Any = build_backbone(architecture).eval()
    assert list(backbone.feature_info.out_indices) == [2, 5, 8, 11]


def _one_of_every_module() -> list[str]:
    import_timm()
    from timm.models._registry import _module_to_models

    return [min(names) for _, names in sorted(_module_to_models.items())]


@pytest.mark.slow
@torch.no_grad()
def test_levels_of_every_timm_module_are_those_of_its_own_feature_info() -> None:
    """By shapes alone: networks are made without memory, so that large ones are walked too."""
    walked = 0
    for name in _one_of_every_module():
        config = import_timm().get_pretrained_cfg(name)
        size = 224 if config is None else int(config.input_size[-1])
        try:
            with torch.device("meta"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                named = [
                    (level["num_chs"], level["reduction"]) for level in import_timm().create_model(name).feature_info
                ]
                architecture = Architecture(backbone=name, tasks=(DEPTH,), in_channels=3, input_size=(size, size))
                features = create_backbone(architecture).eval()(torch.zeros(1, 3, size, size))
        except (RuntimeError, NotImplementedError, AttributeError):
            continue  # computes with values while it is made, or has no levels
        walked += 1
        coarse = {stride: channels for channels, stride in named if stride >= 4}  # the deepest level of a stride
        is_even = len({stride for _, stride in named}) == 1
        expected = [named[-1]] * min(4, len(named)) if is_even else [(c, stride) for stride, c in coarse.items()]
        assert [feature.shape[1] for feature in features] == [channels for channels, _ in expected], name
        for feature, (_, stride) in zip(features, expected, strict=True):
            # Convolutions without padding make maps a little smaller than the stride says.
            assert 0.7 < feature.shape[2] * stride / size < 1.3, name
    assert walked > 80
