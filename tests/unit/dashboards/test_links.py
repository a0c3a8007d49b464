"""Addresses: what is written can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.links import parse_study, parse_trial, study_path, trial_path

names = st.text(min_size=1, max_size=30).filter(lambda name: not any(0xD800 <= ord(c) <= 0xDFFF for c in name))


@given(names, st.integers(0, 999_999_999))
def test_addresses_are_read_back(study: str, number: int) -> None:
    assert parse_study(study_path(study)) == study
    assert parse_trial(trial_path(study, number)) == (study, number)
    assert parse_study(trial_path(study, number)) is None


@pytest.mark.parametrize(
    "pathname", ["/", "/study/", "/study/a/b", "/study/a/trial/x", "/study/a/trial/-1", "/x/study/a"]
)
def test_other_addresses_are_no_pages(pathname: str) -> None:
    assert parse_study(pathname) is None
    assert parse_trial(pathname) is None
