"""What a bundle says of its outputs: every kind of task has words, and depth has the unit of its labels."""

from pathlib import Path
from typing import get_args

import pytest

from gatefront.search.bundle.output_semantics import output_meaning
from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.trainer.data import describe_data
from gatefront.trainer.data.dataset import DataSpec

OUTPUTS = {"depth": 1, "normals": 3, "edges": 1, "saliency": 1}


@pytest.mark.parametrize("kind", get_args(TaskKind))
def test_every_kind_of_task_says_how_its_output_is_read(kind: TaskKind) -> None:
    meaning = output_meaning(Task(name="any", kind=kind, num_outputs=OUTPUTS.get(kind, 4)), "furlongs")
    assert meaning.how_to_read
    assert (meaning.units == "furlongs") == (kind == "depth")


@pytest.mark.parametrize(
    ("name", "unit"), [("nyuv2", "metres"), ("cityscapes", "inverse depth"), ("cityscapes-parts", "disparity")]
)
def test_inverse_depth_is_not_called_metres(name: str, unit: str, tmp_path: Path) -> None:
    assert unit in describe_data(DataSpec(name=name, root=str(tmp_path))).depth_unit
