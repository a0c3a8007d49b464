"""A study file settled against real data descriptions and real networks."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from gatefront.search.config.parameters import Choices
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.references import reference_jobs
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.capacities import floor_parameters
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.spaces import BudgetBelowFloorError, UnknownBackboneError
from gatefront.trainer.config import TrainConfigError
from gatefront.trainer.data import DataError
from gatefront.trainer.metrics import MetricError

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
    assert plan.budgets.flops == int(0.6 * plan.capacities[1].single_task)
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
    assert "network.width" in free.search_space.distributions()
    assert "network.width" not in plan.search_space.distributions()
    point = dict.fromkeys(plan.search_space.distributions(), 0.1) | {"train.batch_size": 32}
    assert plan.search_space.decode(point, seed=0).capacity is plan.capacities[0]
    # It still defines what 100 % is.
    assert plan.largest == free.largest


def test_the_hinted_budget_is_accepted() -> None:
    with pytest.raises(BudgetBelowFloorError) as caught:
        _plan(budget='flop_budget = "1%"')
    share = caught.value.hint.split("at least ")[1].split(" ")[0]
    assert _plan(budget=f'flop_budget = "{share}"').budgets.flops is not None


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


def test_equal_compute_is_at_least_that_of_a_trial_and_what_initialised_it() -> None:
    plan = _plan()
    capacity = plan.largest
    # Forward FLOPs per sample and epoch; backward and samples multiply both sides alike.
    assert plan.budgets.flops is not None
    initial = 5 * capacity.single_task + 9 * capacity.hard_sharing
    trial = 3 * capacity.training + 1 * plan.budgets.flops + initial
    epochs = plan.epochs_of_equal_compute("scalar", initial)
    assert (epochs - 1) * capacity.hard_sharing < trial <= epochs * capacity.hard_sharing


def test_cost_of_references_is_bounded_by_all_their_lengths() -> None:
    plan = _plan()
    most = 4 + 8 + 16 + 32  # 3 epochs and 1 of fine-tuning, doubled three times
    assert plan.reference_epochs == plan.shared_init_epochs == plan.hard_sharing_epochs == most
    assert plan.single_task_flops == most * plan.largest.single_task
    assert plan.initial_flops == most * (plan.largest.single_task + plan.largest.hard_sharing)


POINT = {
    "network.width": 1.0, "train.learning_rate": 1e-3, "train.batch_size": 32,
    "gates.lambda_s": 1.0, "gates.tau.right": 0.4,
}  # fmt: skip


def _weighed(*names: str, more: str = "") -> StudyPlan:
    study = STUDY.replace("epochs = 3\n", f"epochs = 3\nweighting = {{{{choices = {list(names)}}}}}\n{more}\n")
    budget, orientation = 'flop_budget = "60%"', "orientation = 0.1"
    text = study.format(budget=budget, data="digits", backbone="smallconv", orientation=orientation)
    return plan_study(parse_study(text))


def test_a_weighting_is_a_knob_and_references_take_the_first() -> None:
    plan = _weighed("pcgrad", "dwa")
    assert plan.search_space.distributions()["train.weighting"] == CategoricalDistribution(("pcgrad", "dwa"))
    assert plan.search_space.decode({**POINT, "train.weighting": "dwa"}, seed=1).train.weighting == "dwa"
    assert plan.search_space.reference_train_config(epochs=2).weighting == "pcgrad"
    assert _plan().search_space.decode(POINT | {"gates.tau.orientation": 0.1}, seed=1).train.weighting == "scalar"


def test_backward_passes_are_part_of_what_a_trial_costs() -> None:
    plain, dear = _weighed("dwa", "uniform"), _weighed("dwa", "pcgrad")
    assert plain.trial_flops == _plan().trial_flops
    assert dear.trial_flops == pytest.approx(plain.trial_flops * 7 / 3)
    capacity, turned = dear.largest, _weighed("pcgrad", "dwa", more="reference_epochs = 3")
    assert turned.initial_flops == 3 * capacity.single_task + 3 * capacity.hard_sharing * 7 / 3


def test_a_weighting_that_gates_rule_out_is_refused_before_anything_runs() -> None:
    with pytest.raises(TrainConfigError, match=r'"mgda-ub" needs one representation'):
        _weighed("scalar", "mgda-ub")
    with pytest.raises(StudyFileError, match=r"train.weighting.*'auto-lambda'.*found 'gradnorm'"):
        _weighed("gradnorm")


def test_parts_of_a_batch_are_every_trainings_and_go_with_sums_alone() -> None:
    plan = _weighed("uniform", "scalar", more="micro_batch_size = 8")
    assert plan.search_space.reference_train_config(epochs=2).samples_at_once == 8
    assert plan.search_space.decode({**POINT, "train.weighting": "scalar"}, seed=1).train.samples_at_once == 8
    with pytest.raises(TrainConfigError, match=r'"pcgrad".*micro_batch_size'):
        _weighed("uniform", "pcgrad", more="micro_batch_size = 8")


def test_references_cover_every_capacity_once() -> None:
    jobs = reference_jobs(_plan())
    assert len({job.role for job in jobs}) == len(jobs) == 2 * (3 + 1) + 1
    assert jobs[0].purpose == "hard_sharing"
    assert {job.architecture.width for job in jobs if job.is_baseline} == {1.0}
    assert sum(job.is_baseline for job in jobs) == 3 + 1


def test_references_train_with_the_centre_of_each_knob() -> None:
    train = _plan().search_space.reference_train_config(epochs=9)
    assert train.learning_rate == pytest.approx(1e-3)
    assert (train.epochs, train.batch_size, train.seed) == (9, 32, 5)


def test_space_holds_what_there_is_to_choose() -> None:
    space = _plan().search_space.distributions()
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
    settings = plan.search_space.decode(point, seed=3)
    assert settings.capacity is plan.capacities[0]
    assert settings.gates.tau == (0.2, 0.7, 0.1)
    assert (settings.train.batch_size, settings.train.learning_rate, settings.train.seed) == (64, 2e-3, 3)
    assert settings.gates.lambda_s == 4.0


def test_first_points_are_inside_the_space() -> None:
    search_space = _plan().search_space
    space, points = search_space.distributions(), search_space.first_points()
    assert [point["gates.tau.right"] for point in points] == [0.0, 0.4, 0.8, 0.8]
    for point in points:
        for name, value in point.items():
            distribution = space[name]
            assert distribution._contains(distribution.to_internal_repr(value))


TARGETS = """
[study]
name = "targets"
{budget}
[data]
name = "digits"
[network]
width = {{choices = [0.5, 1.0]}}
[gates]
{gates}
"""


def _targets(gates: str, budget: str = 'flop_budget = "60%"') -> StudyPlan:
    return plan_study(parse_study(TARGETS.format(budget=budget, gates=gates)))


@pytest.mark.parametrize("budget", ['flop_budget = "60%"', ""])
def test_flop_target_runs_from_the_floor_to_the_most_a_capacity_may_cost(budget: str) -> None:
    plan = _targets("flop_target = {low = 0.0, high = 1.0}", budget)
    for width, capacity in zip((0.5, 1.0), plan.capacities, strict=True):
        top = capacity.ceiling if plan.budgets.flops is None else min(capacity.ceiling, plan.budgets.flops)
        at = [
            plan.search_space.decode({"network.width": width, "gates.flop_target": share}, seed=0).flop_target
            for share in (0.0, 0.5, 1.0)
        ]
        assert at == [capacity.hard_sharing, (capacity.hard_sharing + top) // 2, top]


def test_training_towards_a_cost_has_a_target_and_no_tau() -> None:
    plan = _targets('sparsity = "expected_flops"\nlambda_s = {low = 1.0, high = 10.0}')
    space = plan.search_space.distributions()
    assert space["gates.flop_target"] == FloatDistribution(0.5, 1.0)
    assert not any(name.startswith("gates.tau") for name in space)
    assert [point["gates.flop_target"] for point in plan.search_space.first_points()] == [0.5, 0.75, 1.0]
    settings = plan.search_space.decode({"network.width": 1.0, "gates.flop_target": 0.5, "gates.lambda_s": 2.0}, seed=0)
    assert settings.gates.sparsity == "expected_flops"


def test_hinge_without_a_target_asks_for_nothing() -> None:
    plan = _targets("tau = {low = 0.0, high = 0.5}")
    assert plan.search_space.decode({"network.width": 1.0, "gates.tau": 0.1}, seed=0).flop_target is None


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ('sparsity = "expected_flops"\ntau = 0.1', "tau has no effect"),
        ("flop_target = 1.5", "between 0 .* and 1"),
        ("flop_target = {low = -0.1, high = 0.5}", "between 0 .* and 1"),
        ("flop_target = {choices = [0.5, 2.0]}", "between 0 .* and 1"),
        ('sparsity = "l1"', "sparsity"),
        ("derived_points = -1", "derived_points"),
    ],
)
def test_impossible_targets_are_refused(gates: str, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        _targets(gates)


def test_derived_points_are_part_of_what_a_trial_costs() -> None:
    plain, derived = _targets("finetune_epochs = 2"), _targets("finetune_epochs = 2\nderived_points = 3")
    assert plain.budgets.flops is not None
    assert derived.trial_flops - plain.trial_flops == 3 * 4 * plain.budgets.flops


def test_a_task_is_scored_as_the_study_says() -> None:
    text = '[study]\nname = "a"\n[data]\nname = "rooms"\n[tasks.depth]\nmetric = "{}"\n'
    plan = plan_study(parse_study(text.format("rel_err")))
    assert [task.metric for task in plan.tasks] == [None, "rel_err", None, None]
    assert plan.largest.architecture.tasks == plan.tasks
    with pytest.raises(MetricError, match=r"task depth: metric 'miou' does not score depth tasks\. Choose one of rmse"):
        plan_study(parse_study(text.format("miou")))


PARAMS = """
[study]
name = "params"
param_budget = "{budget}"
[data]
name = "digits"
[network]
width = {{choices = [0.5, 1.0]}}
"""


def test_capacities_over_the_parameter_budget_are_left_out() -> None:
    free = plan_study(parse_study(PARAMS.format(budget="1G")))
    small, large = (floor_parameters(capacity) for capacity in free.capacities)
    assert small < large <= free.largest.num_parameters
    plan = plan_study(parse_study(PARAMS.format(budget=str(large - 1))))
    assert plan.budgets.params == large - 1
    assert plan.network.width == Choices[float](choices=[0.5])
    assert plan.largest.architecture.width == 1.0  # still the baseline of Δ_MTL
    with pytest.raises(BudgetBelowFloorError, match=f"param_budget {small - 1:,} is under the floor of {small:,}"):
        plan_study(parse_study(PARAMS.format(budget=str(small - 1))))


@pytest.mark.parametrize("budget", ["45%", "0", "-3", "many", ""])
def test_parameter_budget_is_an_amount(budget: str) -> None:
    with pytest.raises(StudyFileError, match="param_budget must be a positive number of parameters"):
        parse_study(PARAMS.format(budget=budget))
