"""The papers' settings, as study files: what they cost is what was published."""

from pathlib import Path

import pytest

from gatefront.search.config.study_file import read_study_file
from gatefront.search.planning.capacities import Capacity
from gatefront.search.planning.study_plan import plan_study

STUDIES = Path(__file__).parents[4] / "studies"
TOLERANCE = 0.005

PUBLISHED = {
    "nyud-resnet50": (1149e9, 683e9),
    "nyud-resnet50-half": (415e9, 296e9),
    "nyud-resnet50-quarter": (177e9, 147e9),
    "pascal-resnet18": (670e9, 284e9),
}
"""Single-task and hard-sharing FLOPs as the InterroGate poster prints them."""


def _measure(name: str) -> Capacity:
    _, config = read_study_file(STUDIES / f"{name}.toml")
    return plan_study(config.without_weights()).largest


@pytest.mark.usefixtures("_not_compared")
@pytest.mark.parametrize("name", list(PUBLISHED))
def test_published_costs_are_reproduced(name: str) -> None:
    capacity = _measure(name)
    single_task, hard_sharing = PUBLISHED[name]
    assert capacity.single_task == pytest.approx(single_task, rel=TOLERANCE)
    assert capacity.hard_sharing == pytest.approx(hard_sharing, rel=TOLERANCE)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_recipes_are_the_published_ones(name: str) -> None:
    _, config = read_study_file(STUDIES / f"{name}.toml")
    assert config.network.pretrained
    assert (config.network.output_stride, config.network.decoder, config.network.decoder_width) == (8, "deeplab", 256)


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_study_files_are_called_as_their_studies(path: Path) -> None:
    _, config = read_study_file(path)
    assert config.study.name == path.stem


def test_the_recipe_of_celeba_can_be_started() -> None:
    _, config = read_study_file(STUDIES / "celeba-resnet20.toml")
    plan = plan_study(config)
    assert len(plan.tasks) == 8
    assert plan.budgets.flops is not None
    assert plan.floor < plan.budgets.flops < plan.ceiling


def test_the_recipe_of_a_transformer_can_be_started() -> None:
    _, config = read_study_file(STUDIES / "pascal-vit-small.toml")
    assert (config.network.backbone, config.network.decoder) == ("vit_small_patch16_224", "dpt")
    assert config.network.pretrained
    plan = plan_study(config.without_weights())
    assert [task.name for task in plan.tasks] == ["semseg", "human_parts", "saliency", "edges", "normals"]
    assert plan.budgets.flops is not None
    assert plan.floor < plan.budgets.flops < plan.ceiling
