"""Records as JSON documents: what is kept as it is, and what an unreadable document is refused with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.errors import DocumentError, SpaceError
from gatefront.spaces.json_codec import OMIT_DEFAULT, from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    rate: float
    size: tuple[int, int] = (1, 2)
    options: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()
    parts: int | None = field(default=None, metadata=OMIT_DEFAULT)


def test_to_json_keeps_every_value_as_it_is() -> None:
    options = MappingProxyType({"a": 1, "b": 1.0, "c": True, "d": "1"})
    found = to_json(Settings(rate=1, options=options, tasks=(Task(name="far", kind="depth", num_outputs=1),)))
    task = {"name": "far", "kind": "depth", "num_outputs": 1, "weight": 1.0, "metric": None}
    assert found == {"rate": 1, "size": [1, 2], "options": dict(options), "tasks": [task]}
    assert [type(found["rate"]), *map(type, found["options"].values())] == [int, int, float, bool, str]


def test_from_json_reverses_to_json() -> None:
    record = Settings(rate=0.5, size=(3, 4), options={"a": 1, "b": 1.0, "c": True, "d": "1"}, parts=2)
    found = from_json(Settings, to_json(record))
    assert found == record
    assert [*map(type, found.options.values())] == [int, float, bool, str]
    assert to_json(record)["parts"] == 2


def test_numbers_that_are_not_finite_are_kept() -> None:
    assert math.isnan(from_json(Settings, to_json(Settings(rate=math.nan))).rate)
    assert from_json(Settings, {"rate": math.inf}) == Settings(rate=math.inf)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, r"^Cannot read Settings: rate: Field required \(found {}\)\.$"),
        ({"rate": "fast"}, r"^Cannot read Settings: rate: Input should be a valid number.* \(found 'fast'\)\.$"),
        ({"rate": 1.0, "speed": 2}, r"^Cannot read Settings: speed: Unexpected keyword argument \(found 2\)\.$"),
        ({"rate": 1.0, "tasks": [{}]}, r"^Cannot read Settings: tasks\.0\.name: Field required"),
        ([1], r"^Cannot read Settings: document: .*\(found \[1\]\)\.$"),
    ],
)
def test_from_json_unreadable_document_is_refused_with_the_place(document: Any, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        from_json(Settings, document)


def test_from_json_refusal_of_the_record_stays_as_it_is() -> None:
    task = {"name": "far", "kind": "depth", "num_outputs": 2}
    with pytest.raises(SpaceError, match=r"^task far: num_outputs = 2 does not fit a depth task\.$"):
        from_json(Settings, {"rate": 1.0, "tasks": [task]})
