"""Combinations of gradients, against properties and formulas of their papers."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import Task
from gatefront.trainer.config import WeightingName
from gatefront.trainer.data import Batch
from gatefront.trainer.weighting import TrainingStep, Weighting, build_weighting

CONFLICT = ((1.0, 0.0), (-0.6, 0.8))
AGREEMENT = ((2.0, 0.0), (0.6, 0.8))
NEW: tuple[WeightingName, ...] = (
    "imtl-g", "aligned-mtl", "upgrad", "dualproj", "fairgrad", "nash-mtl", "config", "graddrop", "gradvac"
)  # fmt: skip


class Shared(nn.Module):
    """Losses ``1 + g_t . theta`` of shared parameters at 0."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(size))


def step(weighting: Weighting, network: Shared, rows: Sequence[Sequence[float]]) -> Tensor:
    network.theta.grad = None
    losses = tuple(1 + torch.tensor(row) @ network.theta for row in rows)
    batch = Batch(torch.zeros(1, 1), {})
    weighting.backward(
        TrainingStep(losses=losses, batch=batch, learning_rate=0.1, losses_of=lambda *_: (), other_batch=lambda: batch)
    )
    assert network.theta.grad is not None
    return network.theta.grad.clone()


def weighting_of(name: WeightingName, network: Shared, num_tasks: int = 2) -> Weighting:
    tasks = [Task(name=f"task{index}", kind="classification", num_outputs=2) for index in range(num_tasks)]
    return build_weighting(name, network, tasks, num_steps=1)


def combined(name: WeightingName, rows: Sequence[Sequence[float]]) -> Tensor:
    network = Shared(len(rows[0]))
    return step(weighting_of(name, network, len(rows)), network, rows)


@pytest.mark.parametrize("name", ["aligned-mtl", "upgrad", "dualproj", "fairgrad", "config", "gradvac", "imtl-g"])
def test_no_task_loses_where_two_conflict(name: WeightingName) -> None:
    gain = torch.tensor(CONFLICT) @ combined(name, CONFLICT)
    assert bool((gain >= -1e-4).all())


@pytest.mark.parametrize("name", ["upgrad", "dualproj", "gradvac"])
def test_sum_is_left_alone_where_none_conflict(name: WeightingName) -> None:
    torch.testing.assert_close(combined(name, AGREEMENT), torch.tensor(AGREEMENT).sum(dim=0), rtol=1e-3, atol=1e-3)


def test_imtl_g_projects_equally_on_all_directions() -> None:
    found = combined("imtl-g", AGREEMENT)
    units = nn.functional.normalize(torch.tensor(AGREEMENT), dim=1)
    first, second = (units @ found).tolist()
    assert first == pytest.approx(second, rel=1e-4)


def test_aligned_mtl_of_orthogonal_gradients_is_the_sum_at_the_smallest_length() -> None:
    torch.testing.assert_close(combined("aligned-mtl", ((3.0, 0.0), (0.0, 1.0))), torch.tensor([1.0, 1.0]))


def test_upgrad_projects_each_and_dualproj_the_mean() -> None:
    a, b = torch.tensor(CONFLICT)
    each = (a - (a @ b) / (b @ b) * b) + (b - (a @ b) / (a @ a) * a)
    torch.testing.assert_close(combined("upgrad", CONFLICT), each, rtol=1e-3, atol=1e-3)
    strong = ((4.0, 0.0), (-0.6, 0.8))
    a, b = torch.tensor(strong)
    total = a + b
    torch.testing.assert_close(combined("dualproj", strong), total - (total @ b) / (b @ b) * b, rtol=1e-3, atol=1e-3)


def test_fairgrad_solves_its_equation_with_weights_that_sum_to_the_number_of_tasks() -> None:
    """For orthogonal gradients ``|g|^2 w = w^(-1/2)``, so that ``w = |g|^(-4/3)``."""
    weights = torch.tensor([3.0 ** (-4 / 3), 1.0])
    weights = 2 * weights / weights.sum()
    torch.testing.assert_close(
        combined("fairgrad", ((3.0, 0.0), (0.0, 1.0))), weights * torch.tensor([3.0, 1.0]), rtol=1e-3, atol=1e-3
    )


def test_nash_mtl_gives_every_task_the_same_product_of_weight_and_gain() -> None:
    """``(J J^T w)_t w_t`` is the same for all tasks; for orthogonal gradients w is the inverse of their lengths."""
    weights = 2 * torch.tensor([1 / 3, 1.0]) / (4 / 3)
    torch.testing.assert_close(
        combined("nash-mtl", ((3.0, 0.0), (0.0, 1.0))), weights * torch.tensor([3.0, 1.0]), rtol=1e-3, atol=1e-3
    )


def test_config_has_equal_cosines_and_the_length_of_its_projections() -> None:
    found, rows = combined("config", AGREEMENT), torch.tensor(AGREEMENT)
    unit = nn.functional.normalize(found, dim=0)
    first, second = (nn.functional.normalize(rows, dim=1) @ unit).tolist()
    assert first == pytest.approx(second, rel=1e-4)
    assert float(found.norm()) == pytest.approx(float((rows @ unit).sum()), rel=1e-4)


def test_graddrop_draws_one_sign_per_value() -> None:
    rows, network, torch_seed = ((1.0, 2.0), (-3.0, 1.0)), Shared(2), 0
    weighting = weighting_of("graddrop", network)
    torch.manual_seed(torch_seed)
    drawn = [tuple(step(weighting, network, rows).tolist()) for _ in range(300)]
    assert set(drawn) == {(1.0, 3.0), (-3.0, 3.0)}
    # The positive sign is drawn with probability (1 + (1 - 3) / (1 + 3)) / 2.
    assert drawn.count((1.0, 3.0)) / 300 == pytest.approx(0.25, abs=0.08)


def test_gradvac_turns_gradients_towards_their_usual_agreement() -> None:
    network = Shared(2)
    weighting = weighting_of("gradvac", network)
    first = step(weighting, network, AGREEMENT)
    for _ in range(20):
        step(weighting, network, AGREEMENT)
    # Their cosine is 0.6 by now, and gradients at right angles are turned towards that.
    turned = step(weighting, network, ((1.0, 0.0), (0.0, 1.0)))
    assert torch.tensor([1.0, 0.0]) @ turned > 1.2
    assert torch.tensor([0.0, 1.0]) @ turned > 1.2
    torch.testing.assert_close(first, torch.tensor(AGREEMENT).sum(dim=0))


def test_gradvac_goes_on_from_its_state() -> None:
    network = Shared(2)
    learned, fresh = weighting_of("gradvac", network), weighting_of("gradvac", network)
    for _ in range(5):
        step(learned, network, AGREEMENT)
    fresh.load_state_dict(learned.state_dict())
    rows = ((1.0, 0.0), (0.0, 1.0))
    torch.testing.assert_close(step(fresh, network, rows), step(learned, network, rows))


@pytest.mark.parametrize("name", NEW)
def test_task_without_labels_is_left_out(name: WeightingName) -> None:
    found = combined(name, ((1.0, 2.0), (0.0, 0.0)))
    assert found.isfinite().all()
    direction = torch.tensor([1.0, 2.0]) / math.sqrt(5)
    torch.testing.assert_close(nn.functional.normalize(found, dim=0), direction, rtol=1e-4, atol=1e-4)
