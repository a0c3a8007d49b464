"""Every weighting against its formula, written out over small cases, and the loop with each of them."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor, nn

from gatefront.spaces import Architecture, Task, build_gated_network, build_shared_network
from gatefront.trainer.checkpoints.checkpoint import CheckpointSlot
from gatefront.trainer.checkpoints.rotation import checkpoint_files
from gatefront.trainer.config import TrainConfig, TrainConfigError, WeightingName
from gatefront.trainer.data import Batch, MultiTaskData
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.train import train
from gatefront.trainer.reporting import EpochReport, StopTraining
from gatefront.trainer.weighting import (
    WEIGHTINGS,
    TrainingStep,
    Weighting,
    build_weighting,
    require_weighting,
    step_cost,
)

Build = Callable[[Sequence[Task]], nn.Module]
TASKS = tuple(Task(name=name, kind="classification", num_outputs=2, weight=w) for name, w in (("a", 2.0), ("b", 0.5)))
EMPTY = Batch(torch.zeros(1, 1), {})
BY_GRADIENT: tuple[WeightingName, ...] = ("pcgrad", "cagrad", "mgda")
gradients = st.lists(st.integers(-16, 16).map(lambda n: n / 4), min_size=4, max_size=4)


class Linear(nn.Module):
    """Losses ``l_t = 1 + g_t . theta`` of shared parameters at 0, and one parameter of each task's own."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(rows.shape[1]))
        self.own = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in rows)
        self.rows = rows

    def losses(self) -> tuple[Tensor, ...]:
        return tuple(own.sum() + row @ self.theta for own, row in zip(self.own, self.rows, strict=True))


def step_of(losses: Iterable[Tensor]) -> TrainingStep:
    def refuse(*_: object) -> tuple[Tensor, ...]:
        raise AssertionError("this method looks at no other batch")

    return TrainingStep(
        losses=tuple(losses), batch=EMPTY, learning_rate=0.1, losses_of=refuse, other_batch=lambda: EMPTY
    )


def gradient_of(name: WeightingName, rows: Sequence[Sequence[float]]) -> Tensor:
    """What one step of the method puts on the shared parameters; the tasks' own must get their own gradient."""
    network = Linear(torch.tensor(rows, dtype=torch.float32))
    tasks = tuple(dataclasses.replace(TASKS[0], name=f"task{index}") for index in range(len(rows)))
    build_weighting(name, network, tasks, num_steps=10).backward(step_of(network.losses()))
    assert [own.grad for own in network.own] == [torch.ones(1)] * len(rows)
    assert network.theta.grad is not None
    return network.theta.grad


def test_every_name_is_built() -> None:
    network = build_shared_network(Architecture(backbone="smallconv", tasks=TASKS, in_channels=1, input_size=(12, 14)))
    for name in WEIGHTINGS:
        assert isinstance(build_weighting(name, network, TASKS, num_steps=3), Weighting)
        assert isinstance(build_weighting(name, network, TASKS[:1], num_steps=3), Weighting)
        assert step_cost(name, 1) == 1.0


def test_scalar_takes_the_tasks_weights_and_uniform_does_not() -> None:
    for name, expected in (("scalar", [2.0, 0.5]), ("uniform", [1.0, 1.0])):
        losses = torch.tensor([3.0, 5.0], requires_grad=True)
        build_weighting(name, nn.Module(), TASKS, num_steps=1).backward(step_of(losses * 1))  # type: ignore[arg-type]
        assert losses.grad is not None
        assert losses.grad.tolist() == expected


def test_dwa_follows_the_ratio_of_the_last_two_epochs() -> None:
    weighting = build_weighting("dwa", nn.Module(), TASKS, num_steps=1)
    epochs = [[(4.0, 1.0), (2.0, 3.0)], [(1.0, 1.0), (2.0, 1.0)], [(1.0, 2.0)]]
    means = [np.mean(epoch, axis=0) for epoch in epochs]
    for number, epoch in enumerate(epochs):
        rates = np.ones(2) if number < 2 else means[number - 1] / means[number - 2]
        expected = np.ones(2) if number < 2 else 2 * np.exp(rates / 2) / np.exp(rates / 2).sum()
        for values in epoch:
            losses = torch.tensor(values, requires_grad=True)
            weighting.backward(step_of(losses * 1))
            assert losses.grad is not None
            assert losses.grad.tolist() == pytest.approx(expected.tolist())
        weighting.end_epoch()


def test_uncertainty_learns_what_the_formula_says() -> None:
    weighting = build_weighting("uncertainty", nn.Module(), TASKS, num_steps=1)
    (s,) = weighting.parameters()
    s.data = torch.tensor([0.0, 1.0])
    losses = torch.tensor([3.0, 5.0], requires_grad=True)
    weighting.backward(step_of(losses * 1))
    assert losses.grad is not None
    assert s.grad is not None
    assert losses.grad.tolist() == pytest.approx([0.5, 0.5 * np.exp(-1)])
    assert s.grad.tolist() == pytest.approx([0.5 - 1.5, 0.5 - 2.5 * np.exp(-1)])


def test_rlw_draws_positive_weights_that_sum_to_the_number_of_tasks() -> None:
    weighting = build_weighting("rlw", nn.Module(), TASKS, num_steps=1)
    torch.manual_seed(0)
    drawn = []
    for _ in range(200):
        losses = torch.ones(2, requires_grad=True)
        weighting.backward(step_of(losses * 1))
        assert losses.grad is not None
        drawn.append(losses.grad)
    weights = torch.stack(drawn)
    assert torch.allclose(weights.sum(dim=1), torch.tensor(2.0))
    assert bool((weights > 0).all())
    assert weights.mean(dim=0).tolist() == pytest.approx([1.0, 1.0], abs=0.15)
    assert len(weights.unique(dim=0)) == 200


@settings(deadline=None, max_examples=40)
@given(gradients, gradients)
def test_pcgrad_of_two_tasks(first: list[float], second: list[float]) -> None:
    a, b = np.array(first), np.array(second)
    found = gradient_of("pcgrad", [first, second]).numpy()
    conflict = a @ b
    expected = a + b
    if conflict < 0:  # with two tasks the random order does not matter
        expected -= conflict / (b @ b) * b + conflict / (a @ a) * a
    assert found == pytest.approx(expected, abs=1e-3)


@settings(deadline=None, max_examples=40)
@given(gradients, gradients)
def test_mgda_of_two_tasks_is_the_shortest_vector_between_them(first: list[float], second: list[float]) -> None:
    a, b = np.array(first), np.array(second)
    assume(a.any() and b.any())
    found = gradient_of("mgda", [first, second]).numpy() / 2
    distance = (a - b) @ (a - b)
    weight = 0.5 if distance == 0 else np.clip((b - a) @ b / distance, 0, 1)
    shortest = weight * a + (1 - weight) * b
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(shortest), abs=2e-2)


@settings(deadline=None, max_examples=15)
@given(st.lists(gradients, min_size=3, max_size=3))
def test_cagrad_minimises_its_objective(rows: list[list[float]]) -> None:
    matrix = np.array(rows)
    mean, c = matrix.mean(axis=0), 0.4
    assume(matrix.any(axis=1).all())

    def objective(w: np.ndarray) -> float:
        return float(w @ matrix @ mean + c * np.linalg.norm(mean) * np.linalg.norm(w @ matrix))

    corners = minimize(
        objective, np.ones(3) / 3, bounds=[(0, 1)] * 3, constraints={"type": "eq", "fun": lambda w: w.sum() - 1}
    )
    assume(np.linalg.norm(corners.x @ matrix) > 0.3)  # near a Pareto-stationary point the direction is anyone's
    found = gradient_of("cagrad", rows).numpy() / 3
    # Duality: the best that the worst task can gain within the ball around the mean is the least of the objective.
    assert np.linalg.norm(found - mean) <= 1.01 * c * np.linalg.norm(mean)
    assert (matrix @ found).min() == pytest.approx(corners.fun, abs=3e-2 * (1 + abs(corners.fun)))


@pytest.mark.parametrize("name", BY_GRADIENT)
def test_equal_gradients_give_their_sum(name: WeightingName) -> None:
    found = gradient_of(name, [[1.0, -2.0]] * 3)
    scale = 1.4 if name == "cagrad" else 1.0  # its ball allows a longer step where all agree
    assert found.tolist() == pytest.approx([3 * scale, -6 * scale], rel=1e-3)


@pytest.mark.parametrize("name", BY_GRADIENT)
def test_a_task_without_labels_in_the_batch_has_no_say(name: WeightingName) -> None:
    two = gradient_of(name, [[3.0, 1.0], [1.0, 2.0]])
    assert torch.equal(gradient_of(name, [[3.0, 1.0], [0.0, 0.0], [1.0, 2.0]]), two)
    assert gradient_of(name, [[0.0, 0.0], [0.0, 0.0]]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", BY_GRADIENT)
def test_a_divergence_reaches_the_loop_and_no_solver(name: WeightingName) -> None:
    assert gradient_of(name, [[1.0, float("nan")], [1.0, 2.0]])[1].isnan()


class Quadratic(nn.Module):
    """``l_t = |theta - c_t|^2 / 2``; the batch holds the centres ``[tasks, 2]``."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.0, -1.0]))
        self.register_buffer("seen", torch.zeros(()))

    def losses(self, batch: Batch, tensors: Mapping[str, Tensor] | None = None) -> tuple[Tensor, ...]:
        found = dict(self.named_parameters()) | dict(self.named_buffers()) | dict(tensors or {})
        found["seen"] += 1
        return tuple(0.5 * (found["theta"] - centre).square().sum() for centre in batch.images)


def test_auto_lambda_favours_what_helps_on_other_data() -> None:
    network, rate = Quadratic(), 0.05
    now = Batch(torch.tensor([[3.0, 0.0], [-2.0, -1.0]]), {})
    other = Batch(torch.tensor([[4.0, -1.0], [4.0, 0.0]]), {})
    weighting = build_weighting("auto-lambda", network, TASKS, num_steps=100)
    step = TrainingStep(
        losses=network.losses(now), batch=now, learning_rate=rate,
        losses_of=lambda batch, tensors: network.losses(batch, tensors), other_batch=lambda: other,
    )  # fmt: skip
    weighting.backward(step)
    theta = torch.tensor([1.0, -1.0])
    rows = theta - now.images
    ahead = theta - rate * 0.1 * rows.sum(dim=0)
    slope = (ahead - other.images).sum(dim=0)
    expected = -rate * rows @ slope  # exact for a quadratic loss
    state = weighting.state_dict()["_extra_state"]
    first_moment = state["adam"]["state"][0]["exp_avg"] / 0.1
    assert first_moment.tolist() == pytest.approx(expected.tolist(), rel=1e-3)
    # Adam's first step is its rate, here 4 / 100: task a helps and gains, task b leads away.
    assert state["lambda"].tolist() == pytest.approx([0.14, 0.06], rel=1e-4)
    assert network.theta.grad is not None
    assert network.theta.grad.tolist() == pytest.approx((torch.tensor([1.4, 0.6]) @ rows).tolist(), rel=1e-4)
    assert int(network.seen) == 1  # what looked ahead left no trace


def test_mgda_ub_weighs_by_the_gradients_at_the_representation() -> None:
    torch.manual_seed(0)
    architecture = Architecture(backbone="smallconv", tasks=TASKS, in_channels=1, input_size=(12, 14))
    network = build_shared_network(architecture)
    images, labels = torch.randn(6, 1, 12, 14), torch.randint(2, (2, 6))

    def losses(features: object) -> tuple[Tensor, ...]:
        heads = zip(network.heads.values(), labels, strict=True)
        return tuple(nn.functional.cross_entropy(head(features), label) for head, label in heads)

    weighting = build_weighting("mgda-ub", network, TASKS, num_steps=1)
    weighting.backward(step_of(losses(network.encoder(images))))
    found = {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}

    network.zero_grad()
    features = network.encoder(images)
    (leaf,) = features if isinstance(features, tuple | list) else [features]
    a, b = (torch.autograd.grad(loss, leaf, retain_graph=True)[0].flatten() for loss in losses(features))
    weight = float((((b - a) @ b) / (a - b).square().sum()).clamp(0, 1))
    (2 * torch.tensor([weight, 1 - weight]) * torch.stack(losses(features))).sum().backward()  # type: ignore[no-untyped-call]
    assert found.keys() == {name for name, value in network.named_parameters() if value.grad is not None}
    for name, value in network.named_parameters():
        assert value.grad is not None
        assert torch.allclose(found[name], value.grad, rtol=1e-2, atol=1e-5), name


def test_mgda_ub_is_refused_where_there_is_no_such_representation() -> None:
    architecture = Architecture(backbone="smallconv", tasks=TASKS, in_channels=1, input_size=(12, 14))
    with pytest.raises(TrainConfigError, match=r'"mgda-ub" needs one representation.*"mgda"'):
        build_weighting("mgda-ub", build_gated_network(architecture), TASKS, num_steps=1)
    with pytest.raises(TrainConfigError, match=r'"mgda-ub" needs one representation.*"mgda"'):
        require_weighting("mgda-ub", for_gates=True, checkpoints=False, micro_batches=False)
    for name in WEIGHTINGS:
        require_weighting(name, for_gates=False, checkpoints=False, micro_batches=False)


def test_looking_ahead_is_refused_where_activations_are_computed_again() -> None:
    with pytest.raises(TrainConfigError, match=r'"auto-lambda" looks ahead.*checkpoint_activations'):
        require_weighting("auto-lambda", for_gates=False, checkpoints=True, micro_batches=False)
    for name in set(WEIGHTINGS) - {"auto-lambda"}:
        require_weighting(name, for_gates=False, checkpoints=True, micro_batches=False)


def test_steps_cost_what_they_compute() -> None:
    three = {name: step_cost(name, 3) for name in WEIGHTINGS}
    assert {name for name, cost in three.items() if cost == 1} == {
        "scalar", "uniform", "dwa", "uncertainty", "uw-so", "rlw", "imtl-l", "stch", "gls"
    }  # fmt: skip
    assert {name for name, cost in three.items() if cost == 7 / 3} == {
        "pcgrad", "cagrad", "mgda", "imtl-g", "aligned-mtl", "upgrad", "dualproj", "fairgrad", "nash-mtl", "config",
        "graddrop", "gradvac",
    }  # fmt: skip
    assert (three["famo"], three["mgda-ub"], three["auto-lambda"]) == (4 / 3, 5 / 3, 10 / 3)


class Stopper:
    """Keeps reports, and stops after the first epoch of each sitting if asked to."""

    def __init__(self, *, stop: bool) -> None:
        self.reports: list[EpochReport] = []
        self._stop = stop

    def __call__(self, report: EpochReport, /) -> None:
        self.reports.append(report)
        if self._stop:
            raise StopTraining


@pytest.mark.parametrize("name", [name for name in WEIGHTINGS if name not in ("scalar", "mgda-ub")])
def test_a_run_resumed_after_every_epoch_equals_one_that_never_stopped(
    digits: MultiTaskData, build_tiny: Build, tmp_path: Path, name: WeightingName
) -> None:
    tasks = digits.description.tasks
    config = TrainConfig(epochs=3, batch_size=64, device="cpu", weighting=name)
    whole = build_tiny(tasks)
    straight = Stopper(stop=False)
    train(whole, digits, config, tasks=tasks, reporter=straight)

    slot, reports = CheckpointSlot(path=tmp_path / "checkpoint.pt", key="a run"), []
    for _ in range(3):
        network, stopper = build_tiny(tasks), Stopper(stop=True)
        if checkpoint_files(slot.path):
            torch.manual_seed(99)
        with contextlib.suppress(StopTraining):
            train(network, digits, config, tasks=tasks, reporter=stopper, slot=slot)
        reports += [dataclasses.replace(report, seconds=0) for report in stopper.reports]
    assert reports == [dataclasses.replace(report, seconds=0) for report in straight.reports]
    state = whole.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["pcgrad", "auto-lambda"])
def test_gated_networks_learn_with_it_and_keep_their_sparsity_term(digits: MultiTaskData, name: WeightingName) -> None:
    tasks = digits.description.tasks
    architecture = Architecture(backbone="smallconv", tasks=tasks, in_channels=1, input_size=(12, 14))
    network = build_gated_network(architecture)
    before = [gate.alpha.detach().clone() for gate in network.channel_gates()]
    strategy = Strategy(
        gate_parameters=tuple(network.gate_parameters()),
        gate_learning_rate=0.1,
        extra_loss=lambda *_: {"push": 50.0 * sum(gate.alpha.mean() for gate in network.channel_gates())},  # type: ignore[dict-item]
    )
    config = TrainConfig(epochs=1, batch_size=128, device="cpu", weighting=name)
    train(network, digits, config, tasks=tasks, strategy=strategy)
    for gate, old in zip(network.channel_gates(), before, strict=True):
        assert bool((gate.alpha < old).all())
