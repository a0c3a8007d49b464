"""One task of every kind, and labels that suit it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.networks.interrogate import build_gated_network
from gatefront.trainer.baselines.references import train_reference
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.data import DataSpec, MultiTaskData, load_data
from gatefront.trainer.trial.spec import TrainedReference, TrialSpec

OUTPUTS: dict[TaskKind, int] = {
    "classification": 4,
    "multilabel": 5,
    "segmentation": 3,
    "depth": 1,
    "normals": 3,
    "edges": 1,
    "saliency": 1,
}


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
        if task.kind in ("edges", "saliency", "multilabel"):
            return prediction, (torch.rand_like(prediction) < 0.3).float()
        return prediction, 0.5 + torch.rand(batch_size, 1, *size)

    return make


class TinyNetwork(nn.Module):
    """Convolution, norm, dropout (so that the random state matters) and one linear head per task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.1))
        self.heads = nn.ModuleDict({task.name: nn.Linear(6 * 5 * 6, task.num_outputs) for task in tasks})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.body(images).flatten(1)
        return {name: head(features) for name, head in self.heads.items()}


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> MultiTaskData:
    """A small `digits`: 640 images to train on, 200 to validate with."""
    spec = DataSpec(name="digits", options={"train_size": 640, "val_size": 200})
    return load_data(spec, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def build_tiny() -> Callable[[Sequence[Task]], TinyNetwork]:
    """A network for `digits` whose weights depend on nothing but torch's seed."""

    def build(tasks: Sequence[Task]) -> TinyNetwork:
        torch.manual_seed(7)
        return TinyNetwork(tasks)

    return build


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def spec(cache_dir: Path) -> TrialSpec:
    """A small trial on `digits`: three epochs with gates that learn, half the single-task cost, two more epochs."""
    torch.set_num_threads(1)
    data_spec = DataSpec(name="digits", options={"train_size": 640, "val_size": 200})
    data = load_data(data_spec, cache_dir)
    config = TrainConfig(epochs=3, batch_size=32, device="cpu")
    architecture = Architecture(
        backbone="smallconv", tasks=data.description.tasks, in_channels=1, input_size=(12, 14), stem="small"
    )
    references = {
        task.name: TrainedReference.from_result(
            train_reference("single_task", architecture, task.name, data, config, cache_dir=cache_dir)
        )
        for task in architecture.tasks
    }
    return TrialSpec(
        architecture=architecture,
        data=data_spec,
        train=config,
        gates=GateConfig(tau=(0.5, 0.5, 0.5), lambda_s=1.0, finetune_epochs=2),
        budgets=Budgets(flops=int(0.5 * build_gated_network(architecture).cost.single_task)),
        single_task=references,
    )
