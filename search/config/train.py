"""Table ``[train]`` of a study file: the recipe of trials and references."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from gatefront.search.config.parameters import (
    FloatParameter,
    IntParameter,
    ScheduleName,
    StrictModel,
    bounds,
    word_form,
)
from gatefront.trainer.config import KeptEpoch, WeightingName

PositiveInt = Annotated[int, Field(ge=1)]


class ScheduleChoices(StrictModel):
    """Choice of one of the schedules listed."""

    choices: Annotated[list[ScheduleName], Field(min_length=1)]


class WeightingChoices(StrictModel):
    """Choice of one of the weightings listed."""

    choices: Annotated[list[WeightingName], Field(min_length=1)]


def _require_epochs(value: Any) -> Any:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError('must be a whole number of at least 1, or "auto"')


ReferenceEpochs = Annotated[int | Literal["auto"], BeforeValidator(_require_epochs)]


class TrainSection(StrictModel):
    """Table ``[train]``: the recipe of trials and references.

    References train with the center of a range, and with the first of several choices. ``reference_epochs`` are the
    epochs of the single-task networks. ``"auto"``: each trains with twice the epochs until that does not help
    (:mod:`gatefront.trainer.baselines.training_length`). ``hard_sharing_epochs`` are those of the hard-sharing
    reference, in the same words. ``shared_init_epochs`` are those of the network that the shared branch starts from.
    None: as ``reference_epochs``. ``keep`` names the epoch whose weights a training ends with.
    """

    epochs: IntParameter = 7
    batch_size: IntParameter = 64
    learning_rate: FloatParameter = 3e-3
    weight_decay: FloatParameter = 1e-2
    schedule: Annotated[
        Annotated[ScheduleName, Tag("value")] | Annotated[ScheduleChoices, Tag("choices")],
        Discriminator(word_form),
    ] = "one_cycle"
    weighting: Annotated[
        Annotated[WeightingName, Tag("value")] | Annotated[WeightingChoices, Tag("choices")],
        Discriminator(word_form),
    ] = "scalar"
    gradient_clip: FloatParameter | None = None
    ema: FloatParameter = 0.0
    dropout: FloatParameter = 0.0
    label_smoothing: FloatParameter = 0.0
    keep: KeptEpoch = "best"
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    num_threads: PositiveInt = 1
    num_loader_workers: Annotated[int, Field(ge=0)] = 0
    checkpoint_activations: bool = False
    micro_batch_size: PositiveInt | None = None
    reference_epochs: ReferenceEpochs = "auto"
    shared_init_epochs: ReferenceEpochs | None = None
    hard_sharing_epochs: ReferenceEpochs = "auto"

    @field_validator("ema", "dropout", "label_smoothing")
    @classmethod
    def _are_shares(cls, parameter: FloatParameter, info: ValidationInfo) -> FloatParameter:
        for value in bounds(parameter):
            if not 0 <= value < 1:
                raise ValueError(f"{info.field_name} must be at least 0 and below 1, found {value}")
        return parameter

    @property
    def schedules(self) -> tuple[ScheduleName, ...]:
        """Schedules that trials may train with. References train with the first."""
        return (self.schedule,) if isinstance(self.schedule, str) else tuple(self.schedule.choices)

    @property
    def weightings(self) -> tuple[WeightingName, ...]:
        """Weightings that trials may train with. References train with the first."""
        return (self.weighting,) if isinstance(self.weighting, str) else tuple(self.weighting.choices)
