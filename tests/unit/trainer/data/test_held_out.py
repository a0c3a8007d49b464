"""Validation samples taken from a training split: whole groups, the same ones every time, of about the share asked."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.trainer.data import DataError
from gatefront.trainer.data.held_out import (
    blocks_of_numbers,
    make_splits,
    published_counts,
    require_share,
    runs_of_numbers,
)

GROUPS = st.lists(st.integers(0, 30).map(str), min_size=2, max_size=200).filter(lambda groups: len(set(groups)) > 1)


@given(GROUPS, st.floats(0.01, 0.5))
def test_make_splits_parts_whole_groups_and_loses_nothing(groups: list[str], share: float) -> None:
    train = list(range(len(groups)))
    parted = make_splits(train, [-1, -2], groups, share, where="here")
    assert sorted(parted["train"] + parted["val"]) == train
    assert parted["test"] == [-1, -2]
    assert parted["train"]
    assert parted["val"]
    assert not {groups[index] for index in parted["train"]} & {groups[index] for index in parted["val"]}


@given(st.integers(20, 400), st.floats(0.05, 0.5))
def test_make_splits_of_single_samples_takes_the_share(count: int, share: float) -> None:
    names = [f"2008_{number:06}" for number in range(count)]
    parted = make_splits(names, ["x"], names, share, where="here")
    counts = published_counts(count, 1, share)
    assert (len(parted["train"]), len(parted["val"])) == (counts["num_train"], counts["num_val"])
    assert abs(len(parted["val"]) - share * count) <= 1


def test_make_splits_depends_on_names_alone() -> None:
    names = [f"scene{number}" for number in range(40)]
    one = make_splits(names, ["x"], names, 0.25, where="here")
    other = make_splits(names[::-1], ["x"], names[::-1], 0.25, where="here")
    assert set(one["val"]) == set(other["val"])
    assert one["val"] != names[:10]


def test_make_splits_without_a_share_keeps_the_official_splits() -> None:
    assert make_splits([1, 2], [3], ["a", "a"], 0, where="here") == {"train": [1, 2], "val": [3]}
    assert published_counts(795, 654, 0) == {"num_train": 795, "num_val": 654, "num_test": 0}
    assert published_counts(795, 654, 0.15) == {"num_train": 676, "num_val": 119, "num_test": 654}


def test_make_splits_of_one_group_is_refused() -> None:
    with pytest.raises(DataError, match=r"from the list: .* together \(found 1 group of 2\)\. Set val_share"):
        make_splits([1, 2], [3], ["a", "a"], 0.15, where="the list")


def test_runs_of_numbers_share_a_group() -> None:
    assert runs_of_numbers(["0003", "0004", "0011", "0005", "hall", "0012"]) == [
        "0003", "0003", "0011", "0003", "hall", "0011",
    ]  # fmt: skip


def test_blocks_of_numbers_hold_neighbors() -> None:
    blocks = blocks_of_numbers(795)
    assert len(set(blocks)) == 40
    changes = sum(one != other for one, other in pairwise(blocks))
    assert changes == 39
    assert len(set(blocks_of_numbers(3))) == 3


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_require_share_refuses_what_leaves_nothing_to_train_on(share: float) -> None:
    with pytest.raises(DataError, match=r"data\.options\.val_share must be between 0 and 0\.5, found"):
        require_share(share)
