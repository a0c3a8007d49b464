"""Table ``[distillation]`` of a study file: how much trials learn from the single-task references."""

from typing import Annotated

from pydantic import Field, field_validator

from gatefront.search.config.parameters import FloatParameter, StrictModel, bounds
from gatefront.trainer.config import DistilledPhase

_PHASES: tuple[DistilledPhase, ...] = ("gates", "weights")


class DistillationSection(StrictModel):
    """Table ``[distillation]``: the teachers' share of each task's loss, and the temperature of their logits.

    A ``weight`` of 0 turns it off. Of the ``phases``, ``"gates"`` is that in which gates are learned, and ``"weights"``
    is every other.
    """

    weight: FloatParameter = 0.5
    temperature: FloatParameter = 2.0
    phases: Annotated[list[DistilledPhase], Field(min_length=1)] = Field(default_factory=lambda: list(_PHASES))

    @field_validator("weight")
    @classmethod
    def _is_a_share(cls, parameter: FloatParameter) -> FloatParameter:
        for value in bounds(parameter):
            if not 0 <= value <= 1:
                raise ValueError(f"weight must lie between 0 (labels alone) and 1 (teachers alone), found {value}")
        return parameter

    @field_validator("temperature")
    @classmethod
    def _is_positive(cls, parameter: FloatParameter) -> FloatParameter:
        for value in bounds(parameter):
            if not value > 0:
                raise ValueError(f"temperature must be above 0, found {value}")
        return parameter
