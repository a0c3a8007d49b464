"""StudyPlan: a study file resolved against its data and its networks before any training."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

from gatefront.search.config.family import INTERROGATE, FamilyName
from gatefront.search.config.parameters import Choices, FloatRange, center, distribution, listed_values, max_value
from gatefront.search.config.quantities import parse_flop_budget, parse_param_budget
from gatefront.search.config.study_config import NetworkSection, StudyConfig
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.capacities import (
    CAPACITY_PARAMETERS,
    Capacity,
    floor_parameters,
    list_architectures,
    list_layouts,
    measure_capacity,
)
from gatefront.search.planning.family_costs import least_flops, most_flops
from gatefront.search.planning.reference_lengths import hard_sharing_length, shared_init_length, single_task_length
from gatefront.search.planning.search_space import SearchSpace
from gatefront.spaces import BudgetBelowFloorError, Task
from gatefront.spaces.budgets.budgets import Budgets, is_feasible
from gatefront.trainer.config import WeightingName
from gatefront.trainer.data import DataDescription, DataSpec, describe_data
from gatefront.trainer.metrics import metric_for
from gatefront.trainer.weighting import require_weighting, step_cost


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """Plan of a study: its study file, resolved against its data and networks.

    ``network`` is the file's [network] without values that no trial under the budgets can have.
    """

    config: StudyConfig
    network: NetworkSection
    data: DataSpec
    description: DataDescription
    tasks: tuple[Task, ...]
    capacities: tuple[Capacity, ...]
    budgets: Budgets

    @cached_property
    def search_space(self) -> SearchSpace:
        """Parameters of the study's trials."""
        config = self.config.model_copy(update={"network": self.network})
        return SearchSpace(config, self.tasks, self.capacities, self.budgets)

    @property
    def largest(self) -> Capacity:
        """Capacity whose single-task networks define Δ_MTL and 100 % of a percentage."""
        return max(self.capacities, key=lambda capacity: capacity.single_task)

    @property
    def floor(self) -> int:
        """FLOPs of the cheapest network of the study: everything shared at the smallest capacity."""
        return min(capacity.hard_sharing for capacity in self.capacities)

    @property
    def ceiling(self) -> int:
        return max(capacity.ceiling for capacity in self.capacities)

    @property
    def reference_epochs(self) -> int:
        """Upper bound of the epochs that a single-task reference trains, over all lengths that are tried."""
        return single_task_length(self.config).most_epochs

    @property
    def shared_init_epochs(self) -> int:
        """Upper bound of the epochs of the network that the shared branch starts from; 0 if it starts random."""
        length = shared_init_length(self.config)
        return 0 if length is None else length.most_epochs

    @property
    def hard_sharing_epochs(self) -> int:
        """Upper bound of the epochs that the hard-sharing reference trains, over all lengths that are tried."""
        return hard_sharing_length(self.config).most_epochs

    def epochs_of_equal_compute(self, weighting: WeightingName, initial_flops: float) -> int:
        """Return the epochs of hard sharing with this weighting that cost no less than a trial of InterroGate.

        Both sides see the same samples per epoch, so samples cancel. The result is rounded up.

        Args:
            weighting: that of hard sharing.
            initial_flops: the cost of the networks that initialized the trial, counted as in ``initial_flops``.
        """
        per_epoch = self.largest.hard_sharing * step_cost(weighting, len(self.tasks))
        return math.ceil((self.trial_flops + initial_flops) / per_epoch)

    def family_trial_flops(self, name: FamilyName) -> float:
        """Return ``trial_flops`` for this family. LOMT's includes the sparse networks that find its layers."""
        if name == INTERROGATE:
            return self.trial_flops
        dearest = max(step_cost(weighting, len(self.tasks)) for weighting in self.config.train.weightings)
        own = dearest * max_value(self.config.train.epochs) * most_flops(self.config.family, name, self.largest)
        sparse = single_task_length(self.config).epochs * self.largest.single_task
        return own + (sparse if name == "lomt" else 0.0)

    @property
    def initial_flops(self) -> float:
        """Upper bound of the FLOPs per training sample of the networks that initialize a trial.

        The unit is that of ``trial_flops``. :func:`gatefront.search.driver.references.trained_flops` returns the cost
        of references that are trained.
        """
        return self.single_task_flops + self.shared_init_epochs * self.largest.hard_sharing * step_cost(
            self.config.train.weightings[0], len(self.tasks)
        )

    @property
    def single_task_flops(self) -> float:
        """Share of the single-task networks in ``initial_flops``, an upper bound as well."""
        return float(self.reference_epochs * self.largest.single_task)

    @property
    def trial_flops(self) -> float:
        """Upper bound of the FLOPs per training sample of the longest trial, over all its epochs.

        The unit is forward passes of plain training. A weighting that needs more forward or backward passes counts as
        that many more. Every branch runs while gates learn. After the projection to the budget a trial trains the
        network that it will deliver, and for each derived point a smaller one.
        """
        capacity = self.largest
        budget = self.budgets.flops
        delivered = capacity.single_task if budget is None else min(capacity.single_task, budget)
        gates = self.config.gates
        behind_the_cut = max_value(gates.finetune_epochs) + gates.derived_points * gates.derived_epochs
        dearest = max(step_cost(name, len(self.tasks)) for name in self.config.train.weightings)
        return dearest * (max_value(self.config.train.epochs) * capacity.training + behind_the_cut * delivered)


def plan_study(config: StudyConfig) -> StudyPlan:
    """Resolve tasks, capacities and budgets.

    Raises:
        DataError: the data set does not exist.
        SpaceError: a network cannot be built as [network] and [gates] ask.
        StudyFileError: a table names a task that the data does not have, or latencies cannot be measured here.
        MetricError: a task names a metric that its kind does not have.
        TrainConfigError: a weighting does not go with gates or with activation checkpointing.
        BudgetBelowFloorError: a budget is under the cheapest network of the study.
    """
    if config.latency_rule is not None:
        config.latency_rule.require_runnable()
    for name in config.train.weightings:
        require_weighting(
            name,
            for_gates=INTERROGATE in config.family.names,
            checkpoints=config.train.checkpoint_activations,
            micro_batches=config.train.micro_batch_size is not None,
        )
    _check_task_weights(config)
    data = config.data.as_spec()
    description = describe_data(data)
    _check_task_names(config, [task.name for task in description.tasks])
    tasks = tuple(_as_asked(task, config) for task in description.tasks)
    architectures = list_architectures(config.network, tasks, description.in_channels, description.input_size)
    layouts = list_layouts(config.gates)
    capacities = tuple(measure_capacity(architecture, layouts) for architecture in architectures)
    plan = StudyPlan(
        config=config,
        network=config.network,
        data=data,
        description=description,
        tasks=tasks,
        capacities=capacities,
        budgets=_resolve_budgets(config, capacities),
    )
    _check_budget(plan)
    _check_families(plan)
    return _without_hopeless_capacities(plan)


def _check_task_weights(config: StudyConfig) -> None:
    for name, section in config.tasks.items():
        if distribution(section.weight) is not None and "scalar" not in config.train.weightings:
            raise StudyFileError(
                f'Cannot search tasks.{name}.weight: only the weighting "scalar" reads it '
                f"(found {', '.join(config.train.weightings)}).",
                hint='Add "scalar" to the choices of train.weighting, or leave the weight out.',
            )


def _check_task_names(config: StudyConfig, known: list[str]) -> None:
    tau = config.gates.tau
    for table, names in (("tasks", config.tasks), ("gates.tau", tau if isinstance(tau, dict) else {})):
        for name in names:
            if name not in known:
                raise StudyFileError(
                    f"[{table}]: {config.data.name} has no task {name!r}.", hint=f"Its tasks are {', '.join(known)}."
                )
    if isinstance(tau, FloatRange) and {"low", "high"} <= set(known):
        raise StudyFileError(
            "Cannot tell what [gates.tau] is: a range, or a tau for each of the tasks 'low' and 'high'.",
            hint="Give one number or choices for all tasks, or rename the tasks.",
        )
    if isinstance(tau, dict) and (missing := [name for name in known if name not in tau]):
        raise StudyFileError(
            f"[gates.tau] lacks {', '.join(missing)}.", hint="Give every task a tau, or all tasks one."
        )


def _as_asked(task: Task, config: StudyConfig) -> Task:
    section = config.tasks.get(task.name)
    if section is not None:
        task = replace(task, weight=float(center(section.weight)), metric=section.metric or task.metric)
    metric_for(task)  # refuses a metric of another kind before anything is trained
    return task


def _resolve_budgets(config: StudyConfig, capacities: tuple[Capacity, ...]) -> Budgets:
    flops, params = config.study.flop_budget, config.study.param_budget
    single_task = max(capacity.single_task for capacity in capacities)
    return Budgets(
        flops=None if flops is None else parse_flop_budget(flops).resolve(single_task),
        params=None if params is None else parse_param_budget(params),
        latency_ms=config.latency_budget_ms,
    )


def _check_budget(plan: StudyPlan) -> None:
    if plan.budgets.flops is not None and plan.budgets.flops < plan.floor:
        share = plan.floor / plan.largest.single_task
        raise BudgetBelowFloorError(
            f"flop_budget {plan.config.study.flop_budget!r} is {plan.budgets.flops:,} FLOPs, under the floor of "
            f"{plan.floor:,} FLOPs: everything shared at the smallest capacity.",
            hint=f"Ask for at least {math.ceil(share * 1000) / 10:.1f}% of the single-task cost, "
            "or list a smaller width, resolution or decoder_width in [network].",
        )


def _check_families(plan: StudyPlan) -> None:
    """Require that every family works on every backbone and is under the budget at one capacity at least."""
    section = plan.config.family
    for name in section.others:
        least = min(least_flops(section, name, capacity) for capacity in plan.capacities)
        # LOMT's network may turn out cheaper than hard sharing, which is what it is before its layers are known.
        if name != "lomt" and not is_feasible(least, plan.budgets.flops):
            raise BudgetBelowFloorError(
                f"flop_budget {plan.config.study.flop_budget!r} is {plan.budgets.flops:,} FLOPs, the cheapest network "
                f"of family {name} has {least:,}.",
                hint="Raise it, leave the family out, or list a smaller width or decoder_width in [network].",
            )


def _without_hopeless_capacities(plan: StudyPlan) -> StudyPlan:
    """Leave out capacities that exceed the budgets even with everything shared. Keep the largest as baseline.

    A value of [network] is dropped if no capacity with it fits.
    """
    fitting = [capacity for capacity in plan.capacities if is_feasible(capacity.hard_sharing, plan.budgets.flops)]
    if plan.budgets.params is not None:
        fitting = _within_param_budget(fitting, plan.budgets.params)
    kept = tuple(capacity for capacity in plan.capacities if capacity in fitting or capacity is plan.largest)
    narrowed: dict[str, object] = {}
    for name in CAPACITY_PARAMETERS:
        parameter = getattr(plan.network, name)
        values = [v for v in listed_values(parameter) if any(getattr(c.architecture, name) == v for c in fitting)]
        narrowed[name] = (
            parameter.model_copy(update={"choices": values}) if isinstance(parameter, Choices) else parameter
        )
    return replace(plan, network=plan.network.model_copy(update=narrowed), capacities=kept)


def _within_param_budget(capacities: list[Capacity], param_budget: int) -> list[Capacity]:
    least = {id(capacity): floor_parameters(capacity) for capacity in capacities}
    fitting = [capacity for capacity in capacities if least[id(capacity)] <= param_budget]
    if not fitting:
        raise BudgetBelowFloorError(
            f"param_budget {param_budget:,} is under the floor of {min(least.values()):,} parameters: everything "
            "shared at the smallest capacity that keeps to the flop_budget.",
            hint="Raise it, or list a smaller width, backbone or decoder_width in [network].",
        )
    return fitting
