"""Trees are all sequences of ever finer partitions, each exactly once."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.spaces import SpaceError
from gatefront.spaces.families.task_tree import TaskTree, enumerate_trees, shared_until

BELL = {1: 1, 2: 2, 3: 5, 4: 15}


@pytest.mark.parametrize(("num_tasks", "num_segments", "count"), [(2, 5, 6), (3, 3, 22), (4, 5, 561)])
def test_enumeration_has_every_tree_once(num_tasks: int, num_segments: int, count: int) -> None:
    trees = list(enumerate_trees("abcd"[:num_tasks], num_segments))
    assert len(trees) == len(set(trees)) == count


@given(num_tasks=st.integers(1, 4), num_segments=st.integers(1, 3))
def test_enumeration_equals_all_refining_tuples_of_partitions(num_tasks: int, num_segments: int) -> None:
    names = tuple("abcd"[:num_tasks])
    single = [tree.partitions[0] for tree in enumerate_trees(names, 1)]
    assert len(single) == BELL[num_tasks]
    refining = {
        chain
        for chain in itertools.product(single, repeat=num_segments)
        if all(
            any(set(group) <= set(other) for other in coarse)
            for coarse, fine in itertools.pairwise(chain)
            for group in fine
        )
    }
    assert {tree.partitions for tree in enumerate_trees(names, num_segments)} == refining


def test_label_leaves_out_partitions_that_repeat() -> None:
    together, parted = (("left", "right", "turn"),), (("left", "right"), ("turn",))
    assert TaskTree((together, together, parted)).label == "{left, right, turn} > {left, right}{turn}"


def test_shared_until_parts_all_tasks_at_once() -> None:
    assert shared_until(("a", "b"), 3, 1).partitions == ((("a", "b"),), (("a",), ("b",)), (("a",), ("b",)))


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        ((), "no segments"),
        (((("a",), ("a",)),), "each task once"),
        (((("a", "b"),), (("a",),)), "each task once"),
        (((("a",), ("b",)), (("a", "b"),)), "have parted share a segment again"),
    ],
)
def test_partitions_that_are_no_tree_are_refused(
    partitions: tuple[tuple[tuple[str, ...], ...], ...], message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        TaskTree(partitions)
