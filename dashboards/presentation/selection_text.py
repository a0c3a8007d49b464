"""Words about the chosen point of the front, and about the differences of two of its points."""

from collections.abc import Callable, Mapping

from gatefront.dashboards.presentation.cost_axis import CostAxis
from gatefront.dashboards.presentation.point_text import expected_delta, point_name
from gatefront.dashboards.presentation.selection import Choice
from gatefront.search.results.formats import (
    MINUS,
    format_count,
    format_flops,
    format_latency,
    format_names,
    format_signed,
)
from gatefront.search.results.records import PointDetail, StudyView, TrialPoint
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.spaces.gating.sharing_analysis import OwnChange, affinity, own_changes, parting_stage, same_sites, stages

# A change of a stage that is a smaller part of all changes is not worth a word.
_WORTH_SAYING = 0.15
_MOST_SAID = 3


def best_sentence(best: TrialPoint | None, axis: CostAxis, choice: Choice) -> str:
    """Return the best point of the choice as a sentence.

    For example: ``Within 1.2 MFLOPs and left losing at most 1 %: trial 7, Δ_MTL −3.10 %, 1.19 MFLOPs.``
    """
    budget = axis.budget if choice.budget is None else choice.budget
    conditions = ["Without a budget" if budget is None else f"Within {axis.written(budget)}"]
    for task, most in choice.floors.items():
        conditions.append(f"{task} losing at most {most:g} %")
    asked = format_names(conditions)
    if best is None:
        return f"{asked}: no finished point keeps to that."
    return f"{asked}: {point_name(best).lower()}, Δ_MTL {expected_delta(best)}, {axis.written(axis.cost(best))}."


def difference_sentences(view: StudyView, one: PointDetail, other: PointDetail) -> list[str]:
    """Return how ``other`` differs from ``one`` in cost, in Δ_MTL, in the tasks that gain, and in gates."""
    a, b = one.point, other.point
    return [
        _cost_sentence(view, a, b),
        _worth_sentence(a, b),
        _task_sentence(one.delta_per_task, other.delta_per_task),
        _gate_sentence(one, other),
    ]


def _cost_sentence(view: StudyView, one: TrialPoint, other: TrialPoint) -> str:
    parts = []
    if one.flops and other.flops:
        parts.append(_more(other.flops, one.flops, format_flops))
    if one.num_parameters and other.num_parameters:
        count = _more(
            other.num_parameters, one.num_parameters, lambda value: f"{format_count(round(value))} parameters"
        )
        parts.append(count)
    if view.summary.latency is not None and one.latency_ms and other.latency_ms:
        parts.append(_more(other.latency_ms, one.latency_ms, format_latency))
    return f"{other.label} takes {format_names(parts)} compared with {one.label}."


def _more(other: float, one: float, written: Callable[[float], str]) -> str:
    if other == one:
        return f"the same {written(one).split(' ')[-1]}"
    direction = "more" if other > one else "fewer"
    return f"{written(abs(other - one))} {direction} ({format_signed(100 * (other - one) / one)} %)"


def _worth_sentence(one: TrialPoint, other: TrialPoint) -> str:
    difference = (other.expected_delta_mtl or 0.0) - (one.expected_delta_mtl or 0.0)
    tied = other.label in one.tied_with or one.label in other.tied_with
    sure = "their repeats cannot tell them apart" if tied else "each was confirmed by repeats"
    if one.confirmation is None or other.confirmation is None:
        sure = "not both were repeated, so part of it may be luck"
    return f"Its Δ_MTL is {format_signed(difference)} points different; {sure}."


def _task_sentence(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    changes = {task: after[task] - before[task] for task in after if task in before}
    gains = [f"{task} {format_signed(change)}" for task, change in changes.items() if round(change, 2) > 0]
    losses = [f"{task} {format_signed(change)}" for task, change in changes.items() if round(change, 2) < 0]
    said = [f"{word}: {', '.join(found)}" for word, found in (("better", gains), ("worse", losses)) if found]
    return f"Tasks, in points against their single-task networks: {'; '.join(said) or 'none changes'}."


def _gate_sentence(one: PointDetail, other: PointDetail) -> str:
    """Return how the gates differ, as a sentence.

    For example:
    ``On own features it spends 4.00 MFLOPs more; it buys depth features of its own in stage4 (+3.10 MFLOPs).``
    """
    if one.gate_map is None or other.gate_map is None:
        return "One of the two has no gate map, so what they share cannot be compared."
    if not same_sites(one.gate_map, other.gate_map):
        return "The two have encoders of different width or depth, so their gates cannot be compared site by site."
    changes = own_changes(one.gate_map, other.gate_map)
    if not changes:
        return "Their gates are the same."
    total = sum(abs(change.flops) for change in changes)
    said = [change for change in changes[:_MOST_SAID] if abs(change.flops) >= _WORTH_SAYING * total] or changes[:1]
    buys = [_own(change) for change in said if change.flops > 0]
    gives = [_own(change) for change in said if change.flops < 0]
    whole = sum(change.flops for change in changes)
    lead = f"On own features it spends {format_flops(abs(whole))} {'more' if whole > 0 else 'less'}"
    bought = f"; it buys {format_names(buys)}" if buys else ""
    given = f"; it gives up {format_names(gives)}" if gives else ""
    return f"{lead}{bought}{given}."


def _own(change: OwnChange) -> str:
    sign = "+" if change.flops > 0 else MINUS
    return f"{change.task} features of its own in {change.stage} ({sign}{format_flops(abs(change.flops))})"


def sharing_sentence(gate_map: GateMap) -> str:
    """Return where each task parts from the rest, and which two share the most."""
    found = stages(gate_map)
    parts = []
    for index, task in enumerate(gate_map.tasks):
        stage = parting_stage(found, index)
        parts.append(f"{task} keeps to the shared branch" if stage is None else f"{task} parts at {found[stage].name}")
    said = f"{format_names(parts)}."
    if len(gate_map.tasks) < 2:
        return said
    matrix = affinity(gate_map)
    pairs = [(matrix[i][j], i, j) for i in range(len(matrix)) for j in range(i)]
    most, i, j = max(pairs)
    return f"{said} {gate_map.tasks[j]} and {gate_map.tasks[i]} share the most, {100 * most:.0f} % of a branch."
