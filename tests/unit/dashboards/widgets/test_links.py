"""Addresses: what is written can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.dashboards.widgets.links import parse_point, parse_study, parse_trial, study_path, trial_path

names = st.text(min_size=1, max_size=30).filter(lambda name: not any(0xD800 <= ord(c) <= 0xDFFF for c in name))


@given(names, st.integers(0, 999_999_999))
def test_addresses_are_read_back(study: str, number: int) -> None:
    assert parse_study(study_path(study)) == study
    assert parse_trial(trial_path(study, number)) == (study, number)
    assert parse_study(trial_path(study, number)) is None


@given(st.integers(1, 999_999_999))
def test_a_derived_point_s_address_is_its_trial_s_with_a_query(derived: int) -> None:
    path, _, query = trial_path("digits", 7, derived).partition("?")
    assert parse_trial(path) == ("digits", 7)
    assert parse_point(f"?{query}") == derived
    assert trial_path("digits", 7, 0) == path


@pytest.mark.parametrize("search", [None, "", "?", "?point=", "?point=x", "?point=-1", "?other=2", "?point=1.5"])
def test_any_other_query_means_the_trial_s_own_network(search: str | None) -> None:
    assert parse_point(search) == 0


@pytest.mark.parametrize(
    "pathname", ["/", "/study/", "/study/a/b", "/study/a/trial/x", "/study/a/trial/-1", "/x/study/a"]
)
def test_other_addresses_are_no_pages(pathname: str) -> None:
    assert parse_study(pathname) is None
    assert parse_trial(pathname) is None
