"""Δ_MTL against rows of a published table and its algebraic properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.metrics.delta_mtl import DeltaMtlError, delta_mtl

NYUD = (
    Task(name="semseg", kind="segmentation", num_outputs=40),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)
SINGLE_TASK = {"semseg": 43.20, "depth": 0.599, "normals": 19.42}
positive = st.floats(0.01, 100)


@pytest.mark.parametrize(
    ("semseg", "depth", "normals", "published"),
    [
        (43.39, 0.586, 21.70, -3.04),
        (44.38, 0.576, 19.50, 2.04),
        (43.05, 0.589, 19.95, -0.50),
        (44.19, 0.577, 19.62, 1.66),
    ],
)
def test_reproduces_published_rows(semseg: float, depth: float, normals: float, published: float) -> None:
    delta = delta_mtl(NYUD, {"semseg": semseg, "depth": depth, "normals": normals}, SINGLE_TASK)
    assert delta.mean == pytest.approx(published, abs=0.05)


@given(st.tuples(positive, positive, positive))
def test_single_task_is_zero(values: tuple[float, float, float]) -> None:
    metrics = dict(zip(SINGLE_TASK, values, strict=True))
    assert delta_mtl(NYUD, metrics, metrics).mean == 0


@given(st.tuples(positive, positive, positive), positive)
def test_units_do_not_matter(values: tuple[float, float, float], scale: float) -> None:
    metrics = dict(zip(SINGLE_TASK, values, strict=True))
    scaled = delta_mtl(NYUD, {k: scale * v for k, v in metrics.items()}, {k: scale * v for k, v in SINGLE_TASK.items()})
    assert scaled.mean == pytest.approx(delta_mtl(NYUD, metrics, SINGLE_TASK).mean, rel=1e-6, abs=1e-6)


def test_better_is_positive_for_every_task() -> None:
    delta = delta_mtl(NYUD, {"semseg": 50, "depth": 0.5, "normals": 10}, SINGLE_TASK)
    assert all(gain > 0 for gain in delta.per_task.values())
    assert delta.mean == pytest.approx(sum(delta.per_task.values()) / 3)


def test_undefined_is_refused() -> None:
    with pytest.raises(DeltaMtlError, match="task depth: the single-task reference scores 0"):
        delta_mtl(NYUD, SINGLE_TASK, SINGLE_TASK | {"depth": 0.0})
    with pytest.raises(DeltaMtlError, match=r"semseg: .* scores 0 \(mIoU %\).*gatefront doctor.*train it for longer"):
        delta_mtl(NYUD, SINGLE_TASK, SINGLE_TASK | {"semseg": 0.0})
    with pytest.raises(DeltaMtlError, match="needs a task whose single-task network has learned"):
        delta_mtl((), SINGLE_TASK, SINGLE_TASK)
    with pytest.raises(DeltaMtlError, match="single_task_metrics has no value for task semseg, only for depth"):
        delta_mtl(NYUD, SINGLE_TASK, {"depth": 1.0})
