"""One task of every kind, and labels that suit it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from spaces.tasks import Task, TaskKind

OUTPUTS: dict[TaskKind, int] = {"classification": 4, "segmentation": 3, "depth": 1, "normals": 3, "edges": 1}


@pytest.fixture(params=sorted(OUTPUTS))
def task(request: pytest.FixtureRequest) -> Task:
    return Task(name="a_task", kind=request.param, num_outputs=OUTPUTS[request.param])


@pytest.fixture
def draw() -> Callable[[Task, int], tuple[Tensor, Tensor]]:
    """Random predictions and full labels for a task, images of 4x5 px."""

    def make(task: Task, batch_size: int) -> tuple[Tensor, Tensor]:
        size = (4, 5) if task.is_dense else ()
        prediction = torch.randn(batch_size, task.num_outputs, *size)
        if task.kind in ("classification", "segmentation"):
            return prediction, torch.randint(task.num_outputs, (batch_size, *size))
        if task.kind == "normals":
            return prediction, torch.nn.functional.normalize(torch.randn(batch_size, 3, *size), dim=1)
        if task.kind == "edges":
            return prediction, (torch.rand(batch_size, 1, *size) < 0.3).float()
        return prediction, 0.5 + torch.rand(batch_size, 1, *size)

    return make
