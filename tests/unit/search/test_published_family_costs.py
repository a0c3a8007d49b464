"""Families in the papers' setting: what they cost is what was published."""

from pathlib import Path

import pytest

from search.plan import plan_study
from search.study_file import read_study_file
from spaces import Architecture, count_flops
from spaces.families import build_family

STUDY = Path(__file__).parents[3] / "studies" / "pascal-resnet18.toml"
PUBLISHED = {"single-task": 670e9, "hard-sharing": 284e9, "cross-stitch": 670e9, "mtan": 319e9}
"""As the InterroGate poster prints them, for PASCAL-Context with five tasks and a ResNet-18."""


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    _, config = read_study_file(STUDY)
    return plan_study(config.without_weights()).largest.architecture


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_published_costs_are_reproduced(name: str, architecture: Architecture) -> None:
    network = build_family(name, architecture).to("meta")  # counted, not computed
    shape = (architecture.in_channels, *architecture.input_size)
    assert count_flops(network, shape) == pytest.approx(PUBLISHED[name], rel=0.01)
