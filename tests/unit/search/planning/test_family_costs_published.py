"""Families in the papers' setting: what they cost is what was published."""

from pathlib import Path

import pytest

from gatefront.search.config.study_file import read_study_file
from gatefront.search.planning.study_plan import plan_study
from gatefront.spaces import Architecture, count_flops
from gatefront.spaces.families import build_family

pytestmark = pytest.mark.usefixtures("_not_compared")

STUDIES = Path(__file__).parents[4] / "studies"
PUBLISHED = {"single-task": 670e9, "hard-sharing": 284e9, "cross-stitch": 670e9, "mtan": 319e9}
"""As the InterroGate poster prints them, for PASCAL-Context with five tasks and a ResNet-18."""


def _architecture(study: str) -> Architecture:
    _, config = read_study_file(STUDIES / f"{study}.toml")
    return plan_study(config.without_weights()).largest.architecture


def _measure(family: str, architecture: Architecture) -> int:
    network = build_family(family, architecture).to("meta")  # counted, not computed
    return count_flops(network, (architecture.in_channels, *architecture.input_size))


@pytest.fixture(scope="module")
def pascal(_not_compared: None) -> Architecture:
    return _architecture("pascal-resnet18")


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_published_costs_are_reproduced(name: str, pascal: Architecture) -> None:
    assert _measure(name, pascal) == pytest.approx(PUBLISHED[name], rel=0.01)


def test_masks_cannot_be_free_on_nyud() -> None:
    """The poster prints hard sharing's 683 GFLOPs there; the same layers as on PASCAL-Context cost half more."""
    assert _measure("mtan", _architecture("nyud-resnet50")) == pytest.approx(1066e9, rel=0.01)
