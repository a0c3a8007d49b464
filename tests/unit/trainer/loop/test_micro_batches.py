"""A batch in parts: the same gradient as whole, where nothing looks at the batch as one."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task, TaskKind
from gatefront.spaces.json_codec import from_json, to_json
from gatefront.trainer.config import TrainConfig, TrainConfigError, WeightingName
from gatefront.trainer.data import Batch, MultiTaskData
from gatefront.trainer.data.dataset import IGNORE_INDEX, Sample
from gatefront.trainer.data.loader import num_samples
from gatefront.trainer.loop.micro_batches import micro_batches, split_batch
from gatefront.trainer.loop.train import train
from gatefront.trainer.losses import count_labels, task_loss
from gatefront.trainer.weighting import require_weighting

KINDS: tuple[TaskKind, ...] = ("classification", "multilabel", "segmentation", "depth", "normals", "edges")
SHAPES: Mapping[TaskKind, tuple[int, ...]] = {
    "classification": (3,),
    "multilabel": (3,),
    "segmentation": (3, 2, 2),
    "depth": (1, 2, 2),
    "normals": (3, 2, 2),
    "edges": (1, 2, 2),
}


def _tasks() -> tuple[Task, ...]:
    return tuple(Task(name=kind, kind=kind, num_outputs=SHAPES[kind][0]) for kind in KINDS)


def _label(kind: TaskKind, present: Tensor) -> Tensor:
    """Random labels; those of samples that are not ``present`` are missing."""
    num, shape = len(present), SHAPES[kind]
    if kind in ("classification", "segmentation"):
        label = torch.randint(0, 3, (num, *shape[1:]))
        return torch.where(present.view(-1, *[1] * (label.ndim - 1)), label, IGNORE_INDEX)
    label = torch.rand(num, *shape).round() if kind in ("multilabel", "edges") else torch.rand(num, *shape)
    return torch.where(present.view(-1, *[1] * (label.ndim - 1)), label, torch.nan)


@settings(max_examples=60)
@given(
    present=st.lists(st.tuples(*[st.booleans()] * len(KINDS)), min_size=1, max_size=7),
    size=st.integers(1, 8),
    seed=st.integers(0, 100),
)
def test_parts_add_up_to_the_batch(present: list[tuple[bool, ...]], size: int, seed: int) -> None:
    torch.manual_seed(seed)
    there = torch.tensor(present)
    labels = {kind: _label(kind, there[:, t]) for t, kind in enumerate(KINDS)}
    batch = Batch(images=torch.randn(len(present), 1, 2, 2), labels=labels)
    predictions = {kind: torch.randn(len(present), *SHAPES[kind], requires_grad=True) for kind in KINDS}
    whole = torch.stack([task_loss(task, predictions[task.name], labels[task.name]) for task in _tasks()])
    whole.sum().backward()  # type: ignore[no-untyped-call]
    gradients = {name: prediction.grad for name, prediction in predictions.items()}
    for prediction in predictions.values():
        prediction.grad = None

    total, start = torch.zeros(len(KINDS)), 0
    for part, shares in micro_batches(batch, size, _tasks()):
        rows = slice(start, start := start + len(part))
        losses = torch.stack([task_loss(t, predictions[t.name][rows], part.labels[t.name]) for t in _tasks()])
        (shares * losses).sum().backward()  # type: ignore[no-untyped-call]
        total += (shares * losses).detach()
    assert start == len(batch)
    torch.testing.assert_close(total, whole.detach())
    for name, prediction in predictions.items():
        torch.testing.assert_close(prediction.grad, gradients[name])


@given(num=st.integers(1, 9), size=st.integers(1, 10))
def test_parts_are_the_batch_in_order(num: int, size: int) -> None:
    images = torch.arange(num).view(num, 1, 1, 1)
    parts = split_batch(Batch(images=images, labels={"a": images + 1}), size)
    assert all(len(part) == size for part in parts[:-1])
    assert 0 < len(parts[-1]) <= size
    assert torch.equal(torch.cat([part.images for part in parts]), images)
    assert torch.equal(torch.cat([part.labels["a"] for part in parts]), images + 1)


def test_labels_are_counted_as_the_loss_counts_them() -> None:
    tasks = dict(zip(KINDS, _tasks(), strict=True))
    one_of_two = torch.tensor([True, False])
    counts = {kind: int(count_labels(tasks[kind], _label(kind, one_of_two))) for kind in KINDS}
    assert counts == {
        "classification": 1,
        "multilabel": 3,
        "segmentation": 4,
        "depth": 4,
        "normals": 12,
        "edges": 4,
    }


class _Widest(nn.Module):
    """Linear heads on the pixels, without norms; remembers the largest batch that it trained on."""

    def __init__(self, tasks: tuple[Task, ...], num_pixels: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({task.name: nn.Linear(num_pixels, task.num_outputs) for task in tasks})
        self.widest = 0

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        if self.training:
            self.widest = max(self.widest, len(images))
        return {name: head(images.flatten(1)) for name, head in self.heads.items()}


def test_training_ends_where_it_does_with_whole_batches(digits: MultiTaskData) -> None:
    tasks = digits.description.tasks
    whole = TrainConfig(epochs=1, batch_size=48, device="cpu")
    ends: list[list[Tensor]] = []
    for config, widest in ((whole, 48), (replace(whole, micro_batch_size=20), 20)):
        torch.manual_seed(0)
        network = _Widest(tasks, num_pixels=12 * 14).double()
        double = replace(digits, train=_Doubled(digits.train), val=_Doubled(digits.val))
        train(network, double, config, tasks=tasks)
        assert network.widest == widest
        ends.append([parameter.detach() for parameter in network.parameters()])
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


class _Doubled(Dataset[Sample]):
    """The same samples with images in float64, so that only the order of a sum differs."""

    def __init__(self, dataset: Dataset[Sample]) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return num_samples(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        return replace(sample, image=sample.image.double())


@pytest.mark.parametrize("name", ["dwa", "uncertainty", "rlw", "pcgrad", "cagrad", "mgda", "mgda-ub", "auto-lambda"])
def test_weightings_that_need_the_whole_batch_are_refused(name: WeightingName) -> None:
    with pytest.raises(TrainConfigError, match=rf'"{name}".*micro_batch_size'):
        TrainConfig(epochs=1, batch_size=8, micro_batch_size=4, weighting=name)
    with pytest.raises(TrainConfigError, match=rf'"{name}".*micro_batch_size'):
        require_weighting(name, for_gates=False, checkpoints=False, micro_batches=True)


def test_keys_of_trainings_without_parts_are_as_before() -> None:
    config = TrainConfig(epochs=1, batch_size=8)
    assert "micro_batch_size" not in to_json(config)
    parts = replace(config, micro_batch_size=4)
    assert to_json(parts)["micro_batch_size"] == 4
    assert from_json(TrainConfig, to_json(parts)) == parts
    assert (config.samples_at_once, parts.samples_at_once) == (8, 4)
