"""The base of all that is sent, and lists in pages."""

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Item = TypeVar("Item")

MOST = 2**31 - 1

Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=MOST, description="Leave out so many first.")]

StudyPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
NumberPath = Annotated[int, Field(ge=0, le=MOST)]
LabelPath = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
"""A trial, ``7``, or a point derived from one, ``7.2``."""


class Model(BaseModel):
    """Frozen, made from records; a number that is none is null."""

    model_config = ConfigDict(frozen=True, from_attributes=True, ser_json_inf_nan="null", extra="ignore")


class Asked(BaseModel):
    """What a client sends: nothing beside what is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Model, Generic[Item]):
    """A part of a list. ``total`` is the length of the whole."""

    items: tuple[Item, ...]
    total: int
    limit: int
    offset: int
