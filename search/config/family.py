"""Table ``[family]`` of a study file: the families that trials train, if not InterroGate alone."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from gatefront.search.config.parameters import FloatParameter, StrictModel, bounds, word_form
from gatefront.spaces.families.defaults import GAMMA
from gatefront.trainer.trial.families.defaults import SPARSITY

FamilyName = Literal["interrogate", "hard-sharing", "cross-stitch", "mtan", "etr-nlp", "lomt"]
INTERROGATE: FamilyName = "interrogate"
OWNERS: dict[str, FamilyName] = {"gamma": "etr-nlp", "sparsity": "lomt"}
"""Keys that one family alone has, with that family."""


class FamilyChoices(StrictModel):
    """Choice of one of the families listed."""

    choices: Annotated[list[FamilyName], Field(min_length=1)]


class FamilySection(StrictModel):
    """Table ``[family]``: one family for all trials, or some to choose from, and the parameters of single ones."""

    name: Annotated[
        Annotated[FamilyName, Tag("value")] | Annotated[FamilyChoices, Tag("choices")],
        Discriminator(word_form),
    ] = "interrogate"
    gamma: FloatParameter = GAMMA
    sparsity: FloatParameter = SPARSITY

    @model_validator(mode="after")
    def _keys_have_their_family(self) -> "FamilySection":
        for key, owner in OWNERS.items():
            if key in self.model_fields_set and owner not in self.names:
                raise ValueError(f'{key} has no effect without the family "{owner}"')
        for value in bounds(self.gamma):
            if not 0 < value < 1:
                raise ValueError(f"gamma must lie above 0 and below 1, found {value}")
        for value in bounds(self.sparsity):
            if not value > 0:
                raise ValueError(f"sparsity must be above 0, found {value}")
        return self

    @property
    def names(self) -> tuple[FamilyName, ...]:
        """Families that trials may train, in the order written."""
        return (self.name,) if isinstance(self.name, str) else tuple(dict.fromkeys(self.name.choices))

    @property
    def others(self) -> tuple[FamilyName, ...]:
        """Families that trials may train, without InterroGate."""
        return tuple(name for name in self.names if name != INTERROGATE)
