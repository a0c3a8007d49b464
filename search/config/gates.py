"""Table ``[gates]`` of a study file: where gates sit, how they are learned, and how much they may cost."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from gatefront.search.config.parameters import (
    FloatParameter,
    FloatRange,
    IntChoice,
    IntParameter,
    StrictModel,
    bounds,
    word_form,
)
from gatefront.spaces.gating.gate_layout import Estimator, Granularity
from gatefront.trainer.config import Importance, Sparsity

_RANGE_KEYS = frozenset({"low", "high", "log"})


def _tau_form(value: Any) -> str:
    """Return the tag of a ``tau``.

    A table of tasks may have a task named like a key of a range. A table is therefore a range only if all its keys are
    those of a range, or if it has both ends.
    """
    if isinstance(value, dict) and not (value.keys() <= _RANGE_KEYS or {"low", "high"} <= value.keys()):
        is_choice = value.keys() == {"choices"} and isinstance(value["choices"], list)
        return "choices" if is_choice else "tasks"
    if isinstance(value, dict):
        return "choices" if "choices" in value else "range"
    return "value"


class GranularityChoices(StrictModel):
    """Choice of one of the granularities listed."""

    choices: Annotated[list[Granularity], Field(min_length=1)]


class GatesSection(StrictModel):
    """Table ``[gates]``: where gates sit, how they are learned, and how much they may cost.

    ``tau`` is one parameter for all tasks, or a table with one parameter per task. Only the hinge has it.
    ``flop_target`` is the cost that a trial asks for: 0 is the cost of sharing everything, 1 the most that the budget
    (or the largest network) allows. None: a hinge trial takes the cost that its gates choose under the budget.
    """

    tau: Annotated[
        Annotated[FloatParameter, Tag("value")]
        | Annotated[FloatParameter, Tag("choices")]
        | Annotated[FloatParameter, Tag("range")]
        | Annotated[dict[str, FloatParameter], Tag("tasks")],
        Discriminator(_tau_form),
    ] = 0.2
    sparsity: Sparsity = "hinge"
    flop_target: FloatParameter | None = None
    lambda_s: FloatParameter = 1.0
    learning_rate: FloatParameter = 0.1
    initial_logit: FloatParameter = 1.0
    max_logit: FloatParameter = 4.0
    finetune_epochs: IntParameter = 1
    finetune_rate: FloatParameter = 1.0
    shared_init: Literal["hard_sharing", "random"] = "hard_sharing"
    granularity: Annotated[
        Annotated[Granularity, Tag("value")] | Annotated[GranularityChoices, Tag("choices")],
        Discriminator(word_form),
    ] = "conv"
    channel_group: IntChoice = 1
    estimator: Estimator = "straight_through"
    importance: Importance = "logit"
    derived_points: Annotated[int, Field(ge=0)] = 0
    derived_epochs: Annotated[int, Field(ge=0)] = 4

    @field_validator("flop_target")
    @classmethod
    def _is_a_share(cls, parameter: FloatParameter | None) -> FloatParameter | None:
        for value in () if parameter is None else bounds(parameter):
            if not 0 <= value <= 1:
                raise ValueError(f"flop_target must lie between 0 (all shared) and 1 (the budget), found {value}")
        return parameter

    @model_validator(mode="after")
    def _tau_is_the_hinges(self) -> "GatesSection":
        if self.sparsity == "expected_flops" and "tau" in self.model_fields_set:
            raise ValueError(
                'tau has no effect with sparsity = "expected_flops"; flop_target says what a trial may cost'
            )
        return self

    @property
    def granularities(self) -> tuple[Granularity, ...]:
        """Granularities of gates to choose from, in the order written."""
        return (self.granularity,) if isinstance(self.granularity, str) else tuple(self.granularity.choices)

    @property
    def target_parameter(self) -> FloatParameter | None:
        """``flop_target`` as trials use it. Expected FLOPs need a target, which is by default from the upper half."""
        if self.flop_target is None and self.sparsity == "expected_flops":
            return FloatRange(low=0.5, high=1.0)
        return self.flop_target
