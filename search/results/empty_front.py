"""Reasons why a study has no front, and remedies."""

from collections import Counter
from collections.abc import Iterable

from gatefront.search.results.formats import format_flops, format_latency
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import StudyState, TrialState
from gatefront.spaces.budgets.budgets import Exceeded

_ENDED = (TrialState.COMPLETE, TrialState.STOPPED_EARLY, TrialState.FAILED, TrialState.VOID)


def no_front_reason(view: StudyView) -> str:
    """Explain why no point of the view is on the front, and how to change that."""
    summary = view.summary
    counts = Counter(point.state for point in view.points)
    num_ended = sum(counts[state] for state in _ENDED)
    if summary.state is StudyState.FAILED and not num_ended and summary.message:
        return f"study {summary.name!r} failed before any trial ended: {summary.message}"
    if not num_ended:
        return f"study {summary.name!r} is {summary.state} with {_counts(view)}."
    if counts[TrialState.COMPLETE] and not any(point.is_feasible for point in view.all_points):
        return over_budget_sentence(view)
    if counts[TrialState.FAILED] == num_ended:
        return all_failed_sentence(view)
    if counts[TrialState.STOPPED_EARLY] == num_ended:
        return (
            f"all {num_ended} trials so far were stopped early, and only complete ones can stand on the front. Give "
            "them more epochs before they are judged, or take [early_stopping] out of the study file."
        )
    return f"study {summary.name!r} is {summary.state} with {_counts(view)}, and only complete trials can stand on it."


def is_over(view: StudyView) -> bool:
    """Return whether the study trains nothing any more unless it is resumed."""
    return view.summary.state in (StudyState.COMPLETE, StudyState.STOPPED, StudyState.FAILED)


def over_budget_sentence(view: StudyView) -> str:
    """Name the budgets that no complete trial keeps, the nearest networks, and how to get below the budgets.

    The view must have complete trials, none of them feasible.
    """
    num_complete = sum(point.state is TrialState.COMPLETE for point in view.points)
    trials = "1 trial has" if num_complete == 1 else f"{num_complete} trials have"
    over: set[Exceeded] = {name for point in view.all_points for name in point.exceeds} or {"flops"}
    budgets = [text for name, text in _budgets(view) if name in over]
    nearest = [text for name, text in _nearest(view) if name in over]
    found = f" The {' and the '.join(nearest)}." if nearest else ""
    return f"{trials} finished, none of them within {' and '.join(budgets)}.{found}{_way_out(over)}"


def all_failed_sentence(view: StudyView) -> str:
    """State that every trial so far failed, with the most frequent cause and a remedy."""
    failed = [point for point in view.points if point.state is TrialState.FAILED]
    subject = "The only trial so far" if len(failed) == 1 else f"All {len(failed)} trials so far"
    return f"{subject} failed. {_common_cause(failed)}{_after_failures(view)}"


def _common_cause(failed: Iterable[TrialPoint]) -> str:
    causes = Counter(point.cause for point in failed if point.cause)
    if not causes:
        return "No cause was recorded."
    cause, times = causes.most_common(1)[0]
    return f"Cause{'' if times == 1 else f', {times} times'}: {cause}"


def _after_failures(view: StudyView) -> str:
    name = view.summary.name
    if not is_over(view):
        return ""
    return (
        f" If the cause lies outside the study file, remove it: `gatefront extend {name} --trials N` and "
        f"`gatefront resume {name}` then train more trials. "
        "Else change the file and start it under another name; it finds the references again."
    )


def _budgets(view: StudyView) -> list[tuple[Exceeded, str]]:
    rule = view.summary.latency
    latency = "" if rule is None else f"the latency budget of {format_latency(rule.budget_ms)}"
    return [("flops", f"the FLOP budget of {view.summary.flop_budget_text}"), ("latency", latency)]


def _nearest(view: StudyView) -> list[tuple[Exceeded, str]]:
    cheapest = [(point.flops, point.label) for point in view.all_points if point.flops is not None]
    fastest = [(point.latency_ms, point.label) for point in view.all_points if point.latency_ms is not None]
    found: list[tuple[Exceeded, str]] = []
    if cheapest:
        flops, label = min(cheapest)
        found.append(("flops", f"cheapest so far costs {format_flops(flops)} (trial {label})"))
    if fastest:
        latency, label = min(fastest)
        found.append(("latency", f"fastest so far takes {format_latency(latency)} (trial {label})"))
    return found


def _way_out(over: set[Exceeded]) -> str:
    if "latency" in over:
        return (
            " A smaller flop_budget, [network] width or resolution makes networks faster; else start a study `--from` "
            "this one with a `--latency-budget` above that."
        )
    return " Start a study `--from` this one with a `--flop-budget` above that." if "flops" in over else ""


def _counts(view: StudyView) -> str:
    counts = view.summary.state_counts.items()
    return ", ".join(f"{count} {state.lower().replace('_', ' ')}" for state, count in counts) or "no trial so far"
