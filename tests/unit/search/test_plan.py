"""A study file settled against real data descriptions and real networks."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from search.errors import StudyFileError
from search.plan import StudyPlan, plan_study
from search.references import reference_jobs
from search.sampling import decode, first_points, reference_train_config, search_space
from search.study_file import parse_study
from spaces import BudgetBelowFloorError, UnknownBackboneError
from trainer.data import DataError

STUDY = """
[study]
name = "digits"
{budget}
seed = 5
[data]
name = "{data}"
[network]
backbone = "{backbone}"
stem = "small"
width = {{choices = [0.5, 1.0]}}
[train]
epochs = 3
learning_rate = {{low = 1e-4, high = 1e-2, log = true}}
batch_size = {{choices = [32, 64]}}
[gates]
lambda_s = {{low = 0.1, high = 10.0}}
finetune_epochs = 1
[gates.tau]
left = 0.2
right = {{low = 0.0, high = 0.8}}
{orientation}
[tasks.left]
weight = 2.0
"""


def _plan(
    *,
    budget: str = 'flop_budget = "60%"',
    data: str = "digits",
    backbone: str = "smallconv",
    orientation: str = "orientation = {choices = [0.1, 0.5]}",
) -> StudyPlan:
    return plan_study(parse_study(STUDY.format(budget=budget, data=data, backbone=backbone, orientation=orientation)))


def test_percentages_are_of_the_largest_capacity() -> None:
    plan = _plan()
    assert [capacity.architecture.width for capacity in plan.capacities] == [0.5, 1.0]
    assert plan.largest is plan.capacities[1]
    assert plan.flop_budget == int(0.6 * plan.capacities[1].single_task)
    assert plan.floor == plan.capacities[0].hard_sharing < plan.capacities[1].hard_sharing
    assert [task.weight for task in plan.tasks] == [2.0, 1.0, 1.0]


def test_budget_under_the_floor_is_refused_with_both_numbers() -> None:
    with pytest.raises(BudgetBelowFloorError) as caught:
        _plan(budget='flop_budget = "1%"')
    plan = _plan(budget="")
    assert f"{int(0.01 * plan.largest.single_task):,}" in caught.value.message
    assert f"{plan.floor:,}" in caught.value.message
    assert isinstance(caught.value, ValueError)


def test_capacity_that_cannot_meet_the_budget_is_not_tried() -> None:
    free = _plan(budget="")
    plan = _plan(budget=f'flop_budget = "{free.largest.hard_sharing - 1}"')
    assert "network.width" in search_space(free.config)
    assert "network.width" not in search_space(plan.config)
    point = dict.fromkeys(search_space(plan.config), 0.1) | {"train.batch_size": 32}
    assert decode(plan, point, seed=0).capacity is plan.capacities[0]
    # It still defines what 100 % is.
    assert plan.largest == free.largest


def test_the_hinted_budget_is_accepted() -> None:
    with pytest.raises(BudgetBelowFloorError) as caught:
        _plan(budget='flop_budget = "1%"')
    share = caught.value.hint.split("at least ")[1].split(" ")[0]
    assert _plan(budget=f'flop_budget = "{share}"').flop_budget is not None


@pytest.mark.parametrize("name", ["left", "orientation"])
def test_every_task_has_a_tau(name: str) -> None:
    text = STUDY.format(budget="", data="digits", backbone="smallconv", orientation="orientation = 0.2")
    lines = [line for line in text.splitlines() if not line.startswith(f"{name} =")]
    with pytest.raises(StudyFileError, match=rf"\[gates.tau\] lacks {name}"):
        plan_study(parse_study("\n".join(lines)))


def test_unknown_task_is_named_with_the_known_ones() -> None:
    with pytest.raises(StudyFileError, match=r"no task 'middle'.*left, right, orientation"):
        _plan(orientation="orientation = 0.2\nmiddle = 0.3")


def test_unknown_data_and_backbone_are_input_errors() -> None:
    with pytest.raises(DataError, match="digit"):
        _plan(data="digit")
    with pytest.raises(UnknownBackboneError, match="smallcnv"):
        _plan(backbone="smallcnv")


def test_hard_sharing_is_trained_at_least_as_much_as_a_trial_and_what_initialised_it() -> None:
    plan = _plan()
    capacity = plan.largest
    # Forward FLOPs per sample and epoch; backward and samples multiply both sides alike.
    assert plan.flop_budget is not None
    gated = 3 * capacity.training + 1 * plan.flop_budget
    trial = gated + 3 * capacity.single_task + plan.shared_init_epochs * capacity.hard_sharing
    assert (plan.hard_sharing_epochs - 1) * capacity.hard_sharing < trial
    assert plan.hard_sharing_epochs * capacity.hard_sharing >= trial


def test_references_cover_every_capacity_once() -> None:
    jobs = reference_jobs(_plan())
    assert len({job.role for job in jobs}) == len(jobs) == 2 * (3 + 1) + 1
    assert jobs[0].purpose == "hard_sharing"
    assert {job.architecture.width for job in jobs if job.is_baseline} == {1.0}
    assert sum(job.is_baseline for job in jobs) == 3 + 1


def test_references_train_with_the_centre_of_each_knob() -> None:
    train = reference_train_config(_plan().config, epochs=9)
    assert train.learning_rate == pytest.approx(1e-3)
    assert (train.epochs, train.batch_size, train.seed) == (9, 32, 5)


def test_space_holds_what_there_is_to_choose() -> None:
    space = search_space(_plan().config)
    assert space == {
        "network.width": CategoricalDistribution((0.5, 1.0)),
        "train.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "train.batch_size": CategoricalDistribution((32, 64)),
        "gates.lambda_s": FloatDistribution(0.1, 10.0),
        "gates.tau.right": FloatDistribution(0.0, 0.8),
        "gates.tau.orientation": CategoricalDistribution((0.1, 0.5)),
    }


def test_point_is_decoded_into_settings() -> None:
    plan = _plan()
    point = {
        "network.width": 0.5,
        "train.learning_rate": 2e-3,
        "train.batch_size": 64,
        "gates.lambda_s": 4.0,
        "gates.tau.right": 0.7,
        "gates.tau.orientation": 0.1,
    }
    settings = decode(plan, point, seed=3)
    assert settings.capacity is plan.capacities[0]
    assert settings.gates.tau == (0.2, 0.7, 0.1)
    assert (settings.train.batch_size, settings.train.learning_rate, settings.train.seed) == (64, 2e-3, 3)
    assert settings.gates.lambda_s == 4.0


def test_first_points_are_inside_the_space() -> None:
    config = _plan().config
    space = search_space(config)
    points = first_points(config)
    assert [point["gates.tau.right"] for point in points] == [0.0, 0.4, 0.8]
    for point in points:
        for name, value in point.items():
            distribution = space[name]
            assert distribution._contains(distribution.to_internal_repr(value))
