"""The start form's text and fields follow each other, and nothing else in the file changes."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefront.dashboards.pages.start.study_file_editor import (
    FIELDS,
    FIRST_TEXT,
    read_fields,
    set_field,
    set_weight,
    task_names,
    task_weights,
)
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.study_plan import plan_study

STUDIES = sorted((Path(__file__).parents[5] / "studies").glob("*.toml"))
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


def test_the_first_text_can_be_started() -> None:
    plan = plan_study(parse_study(FIRST_TEXT))
    assert plan.budgets.flops is not None
    assert task_names(FIRST_TEXT) == ("left", "right", "orientation")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_ready_study_fills_the_fields(path: Path) -> None:
    document = tomllib.loads(path.read_text())
    fields = read_fields(path.read_text())
    assert fields["name"] == document["study"]["name"]
    assert fields["data"] == document["data"]["name"]
    assert fields["trials"] == document["study"].get("trials")


@settings(max_examples=60, deadline=None)
@given(field=st.sampled_from(sorted(FIELDS)), value=WORDS | st.integers(1, 10**6), path=st.sampled_from(STUDIES))
def test_a_field_changes_its_key_and_nothing_else(field: str, value: str | int, path: Path) -> None:
    text = path.read_text()
    changed = set_field(text, field, value)
    assert read_fields(changed) == read_fields(text) | {field: value}
    before, after = tomllib.loads(text), tomllib.loads(changed)
    table, key = FIELDS[field]
    before.get(table, {}).pop(key, None)
    after[table].pop(key)
    assert {name: found for name, found in after.items() if found} == {name: f for name, f in before.items() if f}
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert [line for line in changed.splitlines() if line.startswith("#")] == comments


def test_an_emptied_field_leaves_the_default() -> None:
    for empty in (None, ""):
        assert "trials" not in tomllib.loads(set_field(FIRST_TEXT, "trials", empty))["study"]
    assert set_field(FIRST_TEXT, "root", "") == FIRST_TEXT


def test_a_range_is_left_to_the_file() -> None:
    text = set_field(FIRST_TEXT, "backbone", "").replace("[network]", '[network]\nbackbone = {choices = ["a", "b"]}')
    assert read_fields(text)["backbone"] is None


def test_weights_of_tasks() -> None:
    assert set_weight(FIRST_TEXT, "left", 1.0) == FIRST_TEXT
    text = set_weight(FIRST_TEXT, "left", 0.5)
    assert task_weights(text) == {"left": 0.5}
    assert parse_study(text).tasks["left"].weight == 0.5
    assert task_weights(set_weight(text, "left", 1)) == {"left": 1.0}
    assert task_weights(set_weight(text, "left", "")) == {}


@pytest.mark.parametrize("text", ["[study", 'study = "digits"\ndata = 3', "[[study]]\nname = 3"])
def test_what_is_no_study_file_is_said(text: str) -> None:
    with pytest.raises(StudyFileError):
        set_field(text, "name", "x")
