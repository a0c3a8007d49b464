"""SearchSpace: the parameters of a study's trials, and the settings that each point of the space decodes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import zip_longest
from typing import Any

from optuna.distributions import BaseDistribution

from gatefront.search.config.family import INTERROGATE, OWNERS, FamilyName
from gatefront.search.config.parameters import (
    AnyParameter,
    Choices,
    FloatRange,
    IntRange,
    Scalar,
    bounds,
    center,
    distribution,
    resolve,
)
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.planning.capacities import CAPACITY_PARAMETERS, Capacity
from gatefront.search.planning.reference_lengths import single_task_length
from gatefront.search.planning.train_settings import (
    decode_distillation,
    decode_task_weights,
    decode_train,
    decode_word,
    weight_parameter,
)
from gatefront.search.planning.trial_settings import TrialSettings
from gatefront.spaces import Task
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.trial.family_config import FamilyChoice

Params = Mapping[str, Any]
FAMILY, FLOP_TARGET = "family.name", "gates.flop_target"


@dataclass(frozen=True)
class SearchSpace:
    """Parameters of a study's trials by name (``network.width``, ``gates.tau.left``, ...), sampled or fixed.

    Points can only be decoded if the study has ``tasks`` and ``capacities``. ``budgets`` bound the FLOP targets of
    points.
    """

    config: StudyConfig
    tasks: tuple[Task, ...] = ()
    capacities: tuple[Capacity, ...] = ()
    budgets: Budgets = field(default_factory=Budgets)

    def distributions(self, family: str | None = None) -> dict[str, BaseDistribution]:
        """Return the distributions of sampled parameters: those of one family's trials, or of all families together."""
        asked = {name: distribution(one) for name, one in self._parameters.items() if _is_of(name, family)}
        return {name: found for name, found in asked.items() if found is not None}

    def first_points(self) -> list[dict[str, Scalar]]:
        """Return points to try before the sampler proposes any.

        They have a low, a middle and a high τ or FLOP target. With the strongest λ_s the targets τ are met, so these
        points span the front's range of FLOPs. One more point has the weakest λ_s and the highest τ, which is the other
        end. The sampler chooses parameters that a point does not name. Families take turns, so that a short study tries
        each of them. The list is empty if there is nothing to spread.
        """
        turns = zip_longest(*(self._first_points_of(name) for name in self.config.family.names))
        points = [point for turn in turns for point in turn if point is not None]
        return [point for position, point in enumerate(points) if point not in points[:position]]

    def central_params(self) -> dict[str, Scalar]:
        """Return the center of every parameter by its name. The center of a fixed one is its value."""
        return {name: center(parameter) for name, parameter in self._parameters.items()}

    @property
    def highest_target(self) -> float | None:
        """The highest ``gates.flop_target``; None if trials have none."""
        parameter = self.config.gates.target_parameter
        return None if parameter is None else max(bounds(parameter))

    def reference_train_config(self, *, epochs: int) -> TrainConfig:
        """Return the recipe of reference networks: every parameter at its center, with the study's own seed."""
        return self._train_config(self.central_params() | {"train.epochs": epochs}, self.config.study.seed)

    def decode(self, params: Params, *, seed: int) -> TrialSettings:
        """Return the settings that a sampled point decodes to.

        Args:
            params: values of the sampled parameters by name.
            seed: the trial's own.

        Raises:
            KeyError: the study has no capacity of these parameters.
        """
        capacity, train = self._capacity(params), self._train_config(params, seed)
        family = decode_word(self.config.family.names, params.get(FAMILY))
        nothing = GateConfig(tau=(1.0,) * len(self.tasks), lambda_s=0.0, finetune_epochs=0)
        distillation = decode_distillation(self.config, partial(self._number, params))
        common = TrialSettings(
            capacity=capacity,
            task_weights=decode_task_weights(self.config, partial(self._number, params)),
            train=train,
            gates=nothing,
            flop_target=None,
            distillation=distillation,
        )
        if family != INTERROGATE:
            choice = self._family_choice(family, params)
            return replace(common, family=choice)
        return replace(common, gates=self._gate_config(params), flop_target=self._flop_target(capacity, params))

    def share_of_target(self, params: Params, flop_target: int) -> float | None:
        """Return the ``gates.flop_target`` that means so many FLOPs; None if the budget leaves no range of targets.

        Args:
            params: values of the sampled parameters by name.
            flop_target: the FLOPs.

        Raises:
            KeyError: the study has no capacity of these parameters.
        """
        capacity = self._capacity(params)
        room = self._room(capacity)
        return (flop_target - capacity.hard_sharing) / room if room > 0 else None

    @cached_property
    def _parameters(self) -> Mapping[str, AnyParameter]:
        network, train, gates, family = self.config.network, self.config.train, self.config.gates, self.config.family
        parameters: dict[str, AnyParameter] = {
            FAMILY: _choices(family.names),
            "network.backbone": network.backbone,
            "network.resolution": network.resolution,
            "network.width": network.width,
            "network.decoder_width": network.decoder_width,
            "train.epochs": train.epochs,
            "train.batch_size": train.batch_size,
            "train.learning_rate": train.learning_rate,
            "train.weight_decay": train.weight_decay,
            "train.ema": train.ema,
            "train.dropout": train.dropout,
            "train.label_smoothing": train.label_smoothing,
            "train.schedule": _choices(train.schedules),
            "train.weighting": _choices(train.weightings),
            "distillation.weight": self.config.distillation.weight,
            "distillation.temperature": self.config.distillation.temperature,
            "family.gamma": family.gamma,
            "family.sparsity": family.sparsity,
            "gates.lambda_s": gates.lambda_s,
            "gates.learning_rate": gates.learning_rate,
            "gates.initial_logit": gates.initial_logit,
            "gates.max_logit": gates.max_logit,
            "gates.finetune_epochs": gates.finetune_epochs,
            "gates.finetune_rate": gates.finetune_rate,
            "gates.granularity": _choices(gates.granularities),
            "gates.channel_group": gates.channel_group,
            **{weight_parameter(name): section.weight for name, section in self.config.tasks.items()},
            **self._cost_parameters,
        }
        if train.gradient_clip is not None:
            parameters["train.gradient_clip"] = train.gradient_clip
        return parameters

    @property
    def _cost_parameters(self) -> dict[str, AnyParameter]:
        """Return the parameters that set how much a trial may keep unshared."""
        gates = self.config.gates
        parameters: dict[str, AnyParameter] = {}
        if gates.sparsity == "hinge" and isinstance(gates.tau, dict):
            parameters = {f"gates.tau.{task}": parameter for task, parameter in gates.tau.items()}
        elif gates.sparsity == "hinge" and not isinstance(gates.tau, dict):
            parameters = {"gates.tau": gates.tau}
        if gates.target_parameter is not None:
            parameters[FLOP_TARGET] = gates.target_parameter
        return parameters

    def _first_points_of(self, family: FamilyName) -> list[dict[str, Scalar]]:
        """Return the first points of one family. In a study of several families each has at least one."""
        config = self.config
        chosen: dict[str, Scalar] = {FAMILY: family} if len(config.family.names) > 1 else {}
        found: list[dict[str, Scalar]] = []
        if family == INTERROGATE:
            found = self._first_gated_points()
        elif family == "etr-nlp" and distribution(config.family.gamma) is not None:
            found = [{"family.gamma": value} for value in _low_middle_high(config.family.gamma)]
        return [chosen | point for point in found or ([{}] if chosen else [])]

    def _first_gated_points(self) -> list[dict[str, Scalar]]:
        spread = {
            name: _low_middle_high(parameter)
            for name, parameter in self._cost_parameters.items()
            if distribution(parameter) is not None
        }
        points = [{name: values[step] for name, values in spread.items()} for step in (range(3) if spread else ())]
        gates = self.config.gates
        if gates.sparsity == "hinge" and distribution(gates.lambda_s) is not None:
            weakest, _, strongest = _low_middle_high(gates.lambda_s)
            highest = points[-1] if points else {}
            points = [{**point, "gates.lambda_s": strongest} for point in points or [{}]]
            points.append({**highest, "gates.lambda_s": weakest})
        return points

    def _scalar(self, params: Params, name: str) -> Scalar:
        return resolve(self._parameters[name], params.get(name))

    def _number(self, params: Params, name: str) -> float:
        return float(self._scalar(params, name))

    def _capacity(self, params: Params) -> Capacity:
        wanted = {name: self._scalar(params, f"network.{name}") for name in CAPACITY_PARAMETERS}
        for capacity in self.capacities:
            if all(getattr(capacity.architecture, name) == value for name, value in wanted.items()):
                return capacity
        raise KeyError(f"no capacity has {wanted}")

    def _room(self, capacity: Capacity) -> int:
        """Return the FLOPs between the capacity's floor and the most it may cost."""
        top = capacity.ceiling if self.budgets.flops is None else min(capacity.ceiling, self.budgets.flops)
        return top - capacity.hard_sharing

    def _flop_target(self, capacity: Capacity, params: Params) -> int | None:
        if self.config.gates.target_parameter is None:
            return None
        return capacity.hard_sharing + int(self._number(params, FLOP_TARGET) * self._room(capacity))

    def _family_choice(self, family: FamilyName, params: Params) -> FamilyChoice:
        if family == "etr-nlp":
            return FamilyChoice(name=family, settings={"gamma": self._number(params, "family.gamma")})
        if family == "lomt":
            # They train like the single-task references, from which only the sparsity sets them apart.
            epochs = single_task_length(self.config).epochs
            return FamilyChoice(name=family, sparsity=self._number(params, "family.sparsity"), search_epochs=epochs)
        return FamilyChoice(name=family)

    def _tau(self, params: Params) -> tuple[float, ...]:
        gates = self.config.gates
        if gates.sparsity != "hinge":
            return (1.0,) * len(self.tasks)  # the paper's tau where nothing is held back
        names = [f"gates.tau.{task.name}" if isinstance(gates.tau, dict) else "gates.tau" for task in self.tasks]
        return tuple(self._number(params, name) for name in names)

    def _gate_config(self, params: Params) -> GateConfig:
        gates, number = self.config.gates, partial(self._number, params)
        return GateConfig(
            tau=self._tau(params),
            lambda_s=number("gates.lambda_s"),
            learning_rate=number("gates.learning_rate"),
            initial_logit=number("gates.initial_logit"),
            max_logit=number("gates.max_logit"),
            finetune_epochs=int(number("gates.finetune_epochs")),
            finetune_rate=number("gates.finetune_rate"),
            granularity=decode_word(gates.granularities, params.get("gates.granularity")),
            channel_group=int(number("gates.channel_group")),
            sparsity=gates.sparsity,
            estimator=gates.estimator,
            importance=gates.importance,
            derived_points=gates.derived_points,
            derived_epochs=gates.derived_epochs,
        )

    def _train_config(self, params: Params, seed: int) -> TrainConfig:
        return decode_train(self.config, partial(self._number, params), params, seed=seed)


def _is_of(parameter: str, family: str | None) -> bool:
    """Return whether trials of this family have the parameter. None means all families."""
    table, _, key = parameter.partition(".")
    owner = INTERROGATE if table == "gates" else OWNERS.get(key) if table == "family" else None
    return family is None or owner in (None, family)


def _choices(words: Sequence[str]) -> Choices[str]:
    return Choices[str](choices=list(words))


def _low_middle_high(parameter: AnyParameter) -> tuple[Scalar, Scalar, Scalar]:
    if isinstance(parameter, Choices):
        ordered: list[Scalar] = sorted(parameter.choices)
        return ordered[0], ordered[len(ordered) // 2], ordered[-1]
    if isinstance(parameter, FloatRange | IntRange):
        return parameter.low, center(parameter), parameter.high
    value = resolve(parameter, None)
    return value, value, value
