"""From a study's knobs to what one trial is: the search space, the first points, and the settings a point means."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from optuna.distributions import BaseDistribution

from gatefront.search.config.family import INTERROGATE, FamilyName
from gatefront.search.config.gates import GatesSection, GranularityChoices
from gatefront.search.config.parameters import (
    AnyParameter,
    Choices,
    FloatRange,
    IntRange,
    Scalar,
    ScheduleName,
    center,
    distribution,
    resolve,
)
from gatefront.search.config.study_config import ScheduleChoices, StudyConfig, WeightingChoices
from gatefront.search.planning.capacities import CAPACITY_PARAMETERS, Capacity
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.trial.family_config import FamilyChoice

Params = Mapping[str, Any]
FAMILY = "family.name"
_OWNERS: dict[str, FamilyName] = {"family.gamma": "etr-nlp", "family.sparsity": "lomt"}
"""Knobs that one family alone has; those of [gates] are InterroGate's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """One point of the search space, decoded. ``flop_target`` is in FLOPs; None: no more than the budget.

    ``family`` is None for InterroGate; for any other ``gates`` mean nothing.
    """

    capacity: Capacity
    train: TrainConfig
    gates: GateConfig
    flop_target: int | None
    family: FamilyChoice | None = None


def search_space(config: StudyConfig, family: str | None = None) -> dict[str, BaseDistribution]:
    """What Optuna samples, by knob name (``network.width``, ``gates.tau.left``, ...); fixed knobs are left out.

    ``family``: only what trials of that one have; None: of all. ``family.name`` comes first where there is a choice.
    """
    space = {name: distribution(parameter) for name, parameter in _parameters(config).items() if _is_of(name, family)}
    return {name: found for name, found in space.items() if found is not None}


def first_points(config: StudyConfig) -> list[dict[str, Scalar]]:
    """Points to try before the sampler takes over: τ or the FLOP target low, middle and high, and the weakest λ_s.

    With the strongest λ_s the targets τ are really met, so these points span the front's range of FLOPs; with the
    weakest one and the highest τ all is left to the tasks, the other end. Knobs not named are left to the sampler.
    Empty if there is nothing to spread.
    """
    # In turn, so that a short study tries every family.
    turns = zip_longest(*(_first_of(config, name) for name in config.family.names))
    points = [point for turn in turns for point in turn if point is not None]
    return [point for position, point in enumerate(points) if point not in points[:position]]


def _first_of(config: StudyConfig, family: FamilyName) -> list[dict[str, Scalar]]:
    """Those of one family; beside others each has one at least."""
    chosen: dict[str, Scalar] = {FAMILY: family} if len(config.family.names) > 1 else {}
    if family == INTERROGATE:
        found = _first_gated(config)
    elif family == "etr-nlp" and distribution(config.family.gamma) is not None:
        found = [{"family.gamma": value} for value in _low_middle_high(config.family.gamma)]
    else:
        found = []
    return [chosen | point for point in found or ([{}] if chosen else [])]


def _first_gated(config: StudyConfig) -> list[dict[str, Scalar]]:
    parameters = _cost_parameters(config.gates)
    spread = {
        name: _low_middle_high(parameter)
        for name, parameter in parameters.items()
        if distribution(parameter) is not None
    }
    steps = range(3) if spread else ()
    points = [{name: values[step] for name, values in spread.items()} for step in steps]
    if config.gates.sparsity == "hinge" and distribution(config.gates.lambda_s) is not None:
        weakest, _, strongest = _low_middle_high(config.gates.lambda_s)
        highest = points[-1] if points else {}
        points = [{**point, "gates.lambda_s": strongest} for point in points or [{}]]
        points.append({**highest, "gates.lambda_s": weakest})
    return points


def decode(plan: StudyPlan, params: Params, *, seed: int) -> TrialSettings:
    """The settings that a sampled point stands for."""
    config = plan.config
    train = _train_config(config, params, seed)
    gates = config.gates
    parameters = _parameters(config)
    capacity = _capacity(plan, params)
    family = str(_at(FAMILY, parameters, params))
    if family != INTERROGATE:
        nothing = GateConfig(tau=(1.0,) * len(plan.tasks), lambda_s=0.0, finetune_epochs=0)
        choice = _family_choice(plan, family, params)
        return TrialSettings(capacity=capacity, train=train, gates=nothing, flop_target=None, family=choice)
    return TrialSettings(
        capacity=capacity,
        train=train,
        flop_target=_flop_target(plan, capacity, params),
        gates=GateConfig(
            tau=_tau(plan, params),
            lambda_s=float(_at("gates.lambda_s", parameters, params)),
            learning_rate=float(_at("gates.learning_rate", parameters, params)),
            initial_logit=float(_at("gates.initial_logit", parameters, params)),
            max_logit=float(_at("gates.max_logit", parameters, params)),
            finetune_epochs=int(_at("gates.finetune_epochs", parameters, params)),
            finetune_rate=float(_at("gates.finetune_rate", parameters, params)),
            granularity=_at("gates.granularity", parameters, params),  # type: ignore[arg-type]  # checked when read
            channel_group=int(_at("gates.channel_group", parameters, params)),
            sparsity=gates.sparsity,
            estimator=gates.estimator,
            importance=gates.importance,
            derived_points=gates.derived_points,
            derived_epochs=gates.derived_epochs,
        ),
    )


def _family_choice(plan: StudyPlan, family: str, params: Params) -> FamilyChoice:
    parameters = _parameters(plan.config)
    if family == "etr-nlp":
        return FamilyChoice(name=family, settings={"gamma": float(_at("family.gamma", parameters, params))})
    if family == "lomt":
        sparsity = float(_at("family.sparsity", parameters, params))
        # As long as the single-task references, which they are but for their sparsity.
        return FamilyChoice(name=family, sparsity=sparsity, search_epochs=plan.reference_epochs)
    return FamilyChoice(name=family)


def _tau(plan: StudyPlan, params: Params) -> tuple[float, ...]:
    gates = plan.config.gates
    if gates.sparsity != "hinge":
        return (1.0,) * len(plan.tasks)  # the paper's tau where nothing is held back
    parameters = _tau_parameters(gates)
    names = [f"gates.tau.{task.name}" if isinstance(gates.tau, dict) else "gates.tau" for task in plan.tasks]
    return tuple(float(_at(name, parameters, params)) for name in names)


def _flop_target(plan: StudyPlan, capacity: Capacity, params: Params) -> int | None:
    """Between the capacity's floor and the most it may cost."""
    parameter = plan.config.gates.target_parameter
    if parameter is None:
        return None
    share = float(resolve(parameter, params.get("gates.flop_target")))
    top = capacity.ceiling if plan.budgets.flops is None else min(capacity.ceiling, plan.budgets.flops)
    return capacity.hard_sharing + int(share * (top - capacity.hard_sharing))


def share_of_target(plan: StudyPlan, params: Params, flop_target: int) -> float | None:
    """The ``gates.flop_target`` that stands for so many FLOPs in this study; None if it has no room for a choice.

    Raises:
        KeyError: the study has no capacity of these parameters.
    """
    capacity = _capacity(plan, params)
    top = capacity.ceiling if plan.budgets.flops is None else min(capacity.ceiling, plan.budgets.flops)
    room = top - capacity.hard_sharing
    return (flop_target - capacity.hard_sharing) / room if room > 0 else None


def reference_train_config(config: StudyConfig, *, epochs: int) -> TrainConfig:
    """The recipe of reference networks: every knob at its centre, the study's own seed."""
    return _train_config(config, central_params(config) | {"train.epochs": epochs}, config.study.seed)


def central_params(config: StudyConfig) -> dict[str, Scalar]:
    """Every knob at its centre, by its name; a fixed one at its value."""
    return {name: center(parameter) for name, parameter in _parameters(config).items()}


def _parameters(config: StudyConfig) -> dict[str, AnyParameter]:
    network, train, gates, family = config.network, config.train, config.gates, config.family
    parameters: dict[str, AnyParameter] = {
        FAMILY: family.name if isinstance(family.name, str) else Choices[str](choices=list(family.names)),
        "network.backbone": network.backbone,
        "network.resolution": network.resolution,
        "network.width": network.width,
        "network.decoder_width": network.decoder_width,
        "train.epochs": train.epochs,
        "train.batch_size": train.batch_size,
        "train.learning_rate": train.learning_rate,
        "train.weight_decay": train.weight_decay,
        "train.schedule": _word_parameter(train.schedule),
        "train.weighting": _word_parameter(train.weighting),
        "family.gamma": family.gamma,
        "family.sparsity": family.sparsity,
        "gates.lambda_s": gates.lambda_s,
        "gates.learning_rate": gates.learning_rate,
        "gates.initial_logit": gates.initial_logit,
        "gates.max_logit": gates.max_logit,
        "gates.finetune_epochs": gates.finetune_epochs,
        "gates.finetune_rate": gates.finetune_rate,
        "gates.granularity": _word_parameter(gates.granularity),
        "gates.channel_group": gates.channel_group,
        **_cost_parameters(gates),
    }
    if train.gradient_clip is not None:
        parameters["train.gradient_clip"] = train.gradient_clip
    return parameters


def _is_of(parameter: str, family: str | None) -> bool:
    """True if trials of this family have the knob."""
    if family is None:
        return True
    owner = INTERROGATE if parameter.startswith("gates.") else _OWNERS.get(parameter, family)
    return owner == family


def _word_parameter(parameter: str | ScheduleChoices | GranularityChoices | WeightingChoices) -> AnyParameter:
    return parameter if isinstance(parameter, str) else Choices[str](choices=[str(word) for word in parameter.choices])


def _cost_parameters(gates: GatesSection) -> dict[str, AnyParameter]:
    """The knobs that say how much a trial may keep apart."""
    parameters = _tau_parameters(gates) if gates.sparsity == "hinge" else {}
    if gates.target_parameter is not None:
        parameters["gates.flop_target"] = gates.target_parameter
    return parameters


def _tau_parameters(gates: GatesSection) -> dict[str, AnyParameter]:
    if isinstance(gates.tau, dict):
        return {f"gates.tau.{task}": parameter for task, parameter in gates.tau.items()}
    return {"gates.tau": gates.tau}


def _at(name: str, parameters: Mapping[str, AnyParameter], params: Params) -> Scalar:
    return resolve(parameters[name], params.get(name))


def _low_middle_high(parameter: AnyParameter) -> tuple[Scalar, Scalar, Scalar]:
    if isinstance(parameter, Choices):
        ordered: list[Scalar] = sorted(parameter.choices)
        return ordered[0], ordered[len(ordered) // 2], ordered[-1]
    if isinstance(parameter, FloatRange | IntRange):
        return parameter.low, center(parameter), parameter.high
    value = resolve(parameter, None)
    return value, value, value


def _train_config(config: StudyConfig, params: Params, seed: int) -> TrainConfig:
    parameters, train = _parameters(config), config.train
    schedule: ScheduleName = _at("train.schedule", parameters, params)  # type: ignore[assignment]  # checked when read
    clip = None if train.gradient_clip is None else float(_at("train.gradient_clip", parameters, params))
    return TrainConfig(
        epochs=int(params.get("train.epochs") or _at("train.epochs", parameters, params)),
        batch_size=int(_at("train.batch_size", parameters, params)),
        learning_rate=float(_at("train.learning_rate", parameters, params)),
        weight_decay=float(_at("train.weight_decay", parameters, params)),
        schedule=schedule,
        gradient_clip=clip,
        seed=seed,
        device=train.device,
        precision=train.precision,
        num_threads=train.num_threads,
        num_loader_workers=train.num_loader_workers,
        checkpoint_activations=train.checkpoint_activations,
        micro_batch_size=train.micro_batch_size,
        weighting=_at("train.weighting", parameters, params),  # type: ignore[arg-type]  # checked when read
    )


def _capacity(plan: StudyPlan, params: Params) -> Capacity:
    parameters = _parameters(plan.config)
    wanted = {name: _at(f"network.{name}", parameters, params) for name in CAPACITY_PARAMETERS}
    for capacity in plan.capacities:
        if all(getattr(capacity.architecture, name) == value for name, value in wanted.items()):
            return capacity
    raise KeyError(f"no capacity has {wanted}")
