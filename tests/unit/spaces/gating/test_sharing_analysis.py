"""What a gate map says about sharing adds up, whatever the gates are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.spaces.gating.sharing_analysis import (
    Stage,
    affinity,
    flows,
    own_changes,
    parting_stage,
    same_sites,
    site_flops,
    stages,
)


def gate_maps(num_tasks: int = 3) -> st.SearchStrategy[GateMap]:
    return st.lists(st.integers(1, 6), min_size=1, max_size=20).flatmap(lambda widths: _maps(widths, num_tasks))


def _maps(widths: list[int], num_tasks: int) -> st.SearchStrategy[GateMap]:
    sites = [
        st.builds(
            lambda own, cost, name=f"stage{index // 3}.{index}": GateSite(
                name=name, own=tuple(own), flops_per_channel=cost
            ),
            st.lists(st.text("01", min_size=width, max_size=width), min_size=num_tasks, max_size=num_tasks),
            st.floats(0.5, 1e6),
        )
        for index, width in enumerate(widths)
    ]
    tasks = tuple("abcdef"[:num_tasks])
    return st.tuples(*sites).map(lambda found: GateMap(tasks=tasks, sites=found))


@given(gate_maps())
def test_stages_hold_every_site_once_and_its_flops(gate_map: GateMap) -> None:
    found = stages(gate_map)
    assert len(found) <= 12
    assert [site for stage in found for site in stage.sites] == list(gate_map.sites)
    whole = sum(site_flops(site).total for site in gate_map.sites)
    assert sum(stage.flops.total for stage in found) == pytest.approx(whole)


@given(gate_maps())
def test_affinity_is_symmetric_and_no_pair_shares_more_than_either_task(gate_map: GateMap) -> None:
    matrix = affinity(gate_map)
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            assert value == pytest.approx(matrix[j][i])
            assert -1e-9 <= value <= min(matrix[i][i], matrix[j][j]) + 1e-9


@given(gate_maps())
def test_every_task_s_features_go_on_whole(gate_map: GateMap) -> None:
    found = stages(gate_map)
    passed = flows(found, 3)
    assert all(flow.share > 0 for flow in passed)
    for stage in range(len(found) - 1):
        for task in range(3):
            here = [flow for flow in passed if (flow.stage, flow.task) == (stage, task)]
            assert sum(flow.share for flow in here) == pytest.approx(1)
            assert sum(flow.share for flow in here if flow.from_own) == pytest.approx(found[stage].own_fraction(task))
            assert sum(flow.share for flow in here if flow.to_own) == pytest.approx(found[stage + 1].own_fraction(task))


def test_tasks_that_share_everything_do_not_part() -> None:
    shared = GateMap(tasks=("a", "b"), sites=tuple(site(f"s{i}", "000", "000") for i in range(3)))
    assert [parting_stage(stages(shared), task) for task in (0, 1)] == [None, None]
    assert affinity(shared) == [[1.0, 1.0], [1.0, 1.0]]


def test_a_task_parts_where_it_stays_apart_to_the_end() -> None:
    rows = ("111", "000", "111", "111")
    gate_map = GateMap(tasks=("a", "b"), sites=tuple(site(f"s{i}", row, "000") for i, row in enumerate(rows)))
    assert parting_stage(stages(gate_map), 0) == 2
    assert parting_stage(stages(gate_map), 1) is None


def test_a_channel_that_no_task_takes_from_the_shared_branch_costs_nothing_there() -> None:
    cost = site_flops(site("s", "110", "100"))
    assert (cost.shared, cost.own) == (20.0, (20.0, 10.0))


def test_changes_are_those_of_the_stages_that_differ_the_largest_first() -> None:
    one = GateMap(tasks=("a", "b"), sites=(site("x.1", "000", "000"), site("y.1", "111", "000")))
    other = GateMap(tasks=("a", "b"), sites=(site("x.1", "110", "000"), site("y.1", "110", "111")))
    changes = [(change.task, change.stage, change.flops) for change in own_changes(one, other)]
    assert changes == [("b", "y", 30.0), ("a", "x", 20.0), ("a", "y", -10.0)]
    assert own_changes(one, one) == []
    assert not same_sites(one, GateMap(tasks=("a", "b"), sites=one.sites[:1]))


def site(name: str, *own: str) -> GateSite:
    return GateSite(name=name, own=own, flops_per_channel=10.0)


def test_flows_of_a_task_that_skips_a_stage_go_past_it() -> None:
    sites = [
        GateSite(name=f"stage{index}.conv", own=own, flops_per_channel=1.0)
        for index, own in enumerate((("0000", "0011"), ("0000", "----"), ("1111", "0111"), ("1111", "----")))
    ]
    found = stages(GateMap(tasks=("a", "b"), sites=tuple(sites)))
    skipping = [flow for flow in flows(found, 2) if flow.task == 1]
    passed = {(flow.stage, flow.next_stage, flow.from_own, flow.to_own): flow.share for flow in skipping}
    assert passed == {(0, 2, False, False): 0.25, (0, 2, False, True): 0.25, (0, 2, True, True): 0.5}
    assert (parting_stage(found, 0), parting_stage(found, 1)) == (2, 2)


def test_own_fraction_is_of_the_sites_that_the_task_reads() -> None:
    read = GateSite(name="stage1.a", own=("0011",), flops_per_channel=3.0)
    unread = GateSite(name="stage1.b", own=("----",), flops_per_channel=9.0)
    stage = Stage(name="stage1", sites=(read, unread))
    assert (stage.own_fraction(0), stage.is_read_by(0)) == (0.5, True)
