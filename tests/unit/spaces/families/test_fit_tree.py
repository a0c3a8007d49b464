"""Fitted trees keep the budget and use it, with widths that follow the tasks' shares."""

import pytest

from gatefront.spaces import Architecture, BudgetBelowFloorError, Task, count_flops
from gatefront.spaces.families import build_family
from gatefront.spaces.families.fit_tree import TreeCosts, fit_tree
from gatefront.spaces.families.task_tree import TaskTree, enumerate_trees, shared_until

CLASSES = tuple(Task(name=name, kind="classification", num_outputs=10) for name in ("left", "right", "type"))
DENSE = (Task(name="parts", kind="segmentation", num_outputs=5), Task(name="depth", kind="depth", num_outputs=1))
DIGITS = Architecture(backbone="smallconv", tasks=CLASSES, in_channels=1, input_size=(12, 14))
ROOMS = Architecture(backbone="smallconv", tasks=DENSE, in_channels=3, input_size=(16, 24), decoder_width=16)
TOKENS = Architecture(backbone="test_vit2", tasks=CLASSES, in_channels=3, input_size=(32, 32))


@pytest.mark.parametrize(
    ("architecture", "share"), [(DIGITS, 0.15), (DIGITS, 1.1), (ROOMS, 0.2), (ROOMS, 0.45), (TOKENS, 0.45)]
)
def test_every_tree_costs_what_is_said_and_uses_the_budget(architecture: Architecture, share: float) -> None:
    costs = TreeCosts(architecture)
    shape = (architecture.in_channels, *architecture.input_size)
    budget = int(share * count_flops(build_family("single-task", architecture), shape))
    trees = list(enumerate_trees(architecture.task_names, costs.num_segments))
    for tree in trees[:: max(1, len(trees) // 3)]:
        settings = fit_tree(costs, tree, budget, shares={architecture.task_names[-1]: 0.4})
        flops = count_flops(build_family("tree", architecture, settings), shape)
        assert flops == costs.flops(tree, settings["widths"], settings["decoder_widths"] or {})
        assert 0.98 * budget <= flops <= budget


def test_part_of_a_task_with_a_smaller_share_is_narrower() -> None:
    costs = TreeCosts(DIGITS)
    tree = TaskTree(((("left", "right"), ("type",)),) * costs.num_segments)
    budget = costs.flops(tree, dict.fromkeys(DIGITS.task_names, (5, 9, 8, 16, 34)), {})
    widths = fit_tree(costs, tree, budget, shares={"type": 0.25})["widths"]
    assert widths["left"] == widths["right"]
    assert all(thin < wide for thin, wide in zip(widths["type"], widths["left"], strict=True))


def test_blocks_as_boundaries_give_more_segments_than_stages() -> None:
    assert TreeCosts(DIGITS, "block").num_segments == 5
    assert TreeCosts(DIGITS).num_segments == 3


def test_budget_that_no_width_fits_is_refused_with_the_smallest() -> None:
    costs = TreeCosts(DIGITS)
    tree = shared_until(DIGITS.task_names, costs.num_segments, 1)
    least = costs.flops(tree, dict.fromkeys(DIGITS.task_names, (1,) * 5), {})
    with pytest.raises(BudgetBelowFloorError, match=rf"at least {least:,} FLOPs"):
        fit_tree(costs, tree, least - 1)
