"""Which names tasks may have, and the names of outputs made from them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.spaces import SpaceError, Task
from gatefront.spaces.architecture.tasks import MAX_LENGTH, require_distinct_names, require_task_name, safe_names


@pytest.mark.parametrize(
    "name",
    ["type", "shared", "a.b", "two words", "a/b", "<b>", "{}", "名前", "cafe\u0301", "🙂", "0", "n" * 200],
)
def test_task_takes_a_name_as_it_is(name: str) -> None:
    assert Task(name=name, kind="depth", num_outputs=1).name == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Cannot call a task '': a name is not empty"),
        (" depth", "no white space at its ends"),
        ("depth\n", "no white space at its ends"),
        ("near\nfar", r"no control characters \(found U\+000A\)"),
        ("near\x00far", r"no control characters \(found U\+0000\)"),
        ("near\u2028far", r"no control characters \(found U\+2028\)"),
        ("near\ud800far", r"no control characters \(found U\+D800\)"),
        ("n" * (MAX_LENGTH + 1), r"at most 200 characters \(found 201\)"),
    ],
)
def test_task_name_that_no_line_can_show_is_refused(name: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        require_task_name(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [("depth", "depth"), ("Depth", "depth"), ("café", "cafe\u0301"), ("CAFÉ", "cafe\u0301"), ("ß", "SS")],
)
def test_names_that_differ_in_case_or_form_alone_are_refused(one: str, other: str) -> None:
    with pytest.raises(SpaceError, match=re.escape(f"found {one!r} and {other!r}")):
        require_distinct_names(["edges", one, other])


def test_safe_names_of_ordinary_tasks_are_the_tasks_names() -> None:
    assert safe_names(("semseg", "Depth_2", "type", "output")) == ("semseg", "Depth_2", "type", "output")


def test_safe_names_of_other_tasks_are_their_positions() -> None:
    names = ("images", "a.b", "task_0", "名前", "_x", "semseg")
    assert safe_names(names) == ("task_0", "task_1", "task_2", "task_3", "task_4", "semseg")


@given(st.lists(st.text(min_size=1) | st.from_regex(r"task_[0-9]{1,2}", fullmatch=True), unique=True, max_size=30))
def test_safe_names_are_identifiers_that_differ(names: list[str]) -> None:
    found = safe_names(names)
    assert len(set(found)) == len(names)
    assert all(name.isascii() and name.isidentifier() and name != "images" for name in found)
