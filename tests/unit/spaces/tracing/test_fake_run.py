"""Fake runs: shapes alone, and a refusal in words instead of torch's log lines."""

import logging

import pytest
import torch

from gatefront.spaces import Architecture, SpaceError, Task
from gatefront.spaces.backbones import build_backbone
from gatefront.spaces.tracing.fake_run import fake_tensors


def test_fake_tensors_have_shapes_alone() -> None:
    level = logging.getLogger("torch._subclasses.fake_tensor").level
    with fake_tensors() as mode, mode:
        product = torch.empty(10**6, 10**6) @ torch.empty(10**6, 3)
    assert product.shape == (10**6, 3)
    assert logging.getLogger("torch._subclasses.fake_tensor").level == level


def test_build_backbone_of_images_that_do_not_fit_says_so_once(capfd: pytest.CaptureFixture[str]) -> None:
    task = Task(name="label", kind="classification", num_outputs=3)
    architecture = Architecture(backbone="efficientformer_l1", tasks=(task,), in_channels=3, input_size=(64, 64))
    with pytest.raises(SpaceError, match=r"'efficientformer_l1' fails on an image of 3 channels and 64x64 px"):
        build_backbone(architecture)
    assert "failed while attempting to run meta" not in capfd.readouterr().err
