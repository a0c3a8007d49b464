"""The Pareto front as rows for a terminal, for CSV and for JSON."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.table import Table
from rich.text import Text

from gatefront.search.config.latency import LatencyRule
from gatefront.search.results.best_point import front_points
from gatefront.search.results.cost import cost_line, study_cost
from gatefront.search.results.empty_front import no_front_reason
from gatefront.search.results.formats import format_amount, format_latency, format_share, format_signed
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.unlearned_tasks import unlearned_sentences
from gatefront.search.results.words_on_test import on_test_sentence

_CSV_COLUMNS = (
    "label",
    "trial",
    "derived",
    "delta_mtl",
    "flops_requested",
    "flops",
    "share_of_single_task",
    "flop_budget",
    "num_parameters",
    "latency_ms",
    "delta_mtl_mean",
    "delta_mtl_low",
    "delta_mtl_high",
    "seeds",
    "tied_with",
    "test_delta_mtl",
    "test_gap",
)
_TASK_PREFIX, _TEST_PREFIX = "task:", "test:"


def front_document(view: StudyView) -> dict[str, Any]:
    """Return the document of ``front --json``."""
    summary = view.summary
    return {
        "study": summary.name,
        "flop_budget": summary.flop_budget,
        "flop_budget_text": summary.flop_budget_text,
        "single_task_flops": summary.single_task_flops,
        "latency": summary.latency,
        "hypervolume": summary.hypervolume,
        "hypervolume_band": summary.hypervolume_band,
        "cost": study_cost(view),
        "best_trial": summary.best_trial,
        "best_label": summary.best_label,
        "has_test_split": view.has_test_split,
        "references": list(view.references),
        "points": [point_document(view, point) for point in front_points(view)],
    }


def point_document(view: StudyView, point: TrialPoint) -> dict[str, Any]:
    """Return the document of one point.

    ``flops`` are delivered. ``flops_requested`` is null if nothing bounds them. ``delta_mtl`` is the point's own
    measurement. ``expected_delta_mtl`` is the mean over its replicates, or that measurement if it has none.
    ``test_delta_mtl`` is the same on the test split, and ``test_gap`` what it has more than the validation split. Both
    are null for points that are neither confirmed nor pulled.
    """
    fields = {name: getattr(point, name) for name in TrialPoint.__dataclass_fields__}
    named = {"label": point.label, "flops_requested": point.requested(view.summary.flop_budget)}
    figures = {name: getattr(point, name) for name in ("expected_delta_mtl", "test_delta_mtl", "test_gap")}
    return named | fields | figures


def front_csv(view: StudyView) -> str:
    """Return the front as CSV, with one line per point and one column per metric, named after its task.

    If a task's name is the name of another column or begins with ``task:`` or ``test:``, its column is ``task:`` and
    the name. If there is a test split, a column of ``test:`` and the name holds the metric on it, where measured.
    ``flops`` are delivered. ``latency_ms`` is empty if the study does not measure it. Mean, interval and seeds are
    empty for a point without replicates.
    """
    tasks = [task.name for task in view.summary.tasks]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    on_test = [f"{_TEST_PREFIX}{task}" for task in tasks] if view.has_test_split else []
    writer.writerow([*_CSV_COLUMNS, *map(_metric_column, tasks), *on_test])
    budget, single_task = view.summary.flop_budget, view.summary.single_task_flops
    for point in front_points(view):
        flops = point.flops or 0
        costs = [point.requested(budget), flops, flops / single_task, budget]
        tested = {} if point.on_test is None else point.on_test.metrics
        metrics = [found.get(task) for found in (point.metrics, tested)[: 1 + view.has_test_split] for task in tasks]
        sizes = [point.num_parameters, point.latency_ms]
        named = [point.label, point.number, point.derived, point.delta_mtl]
        writer.writerow([*named, *costs, *sizes, *_sureness(point), point.test_delta_mtl, point.test_gap, *metrics])
    return out.getvalue()


def _metric_column(task: str) -> str:
    is_taken = task in _CSV_COLUMNS or task.startswith((_TASK_PREFIX, _TEST_PREFIX))
    return f"{_TASK_PREFIX}{task}" if is_taken else task


def _sureness(point: TrialPoint) -> list[object]:
    sure = point.confirmation
    numbers = [None] * 4 if sure is None else [sure.mean, sure.low, sure.high, sure.seeds]
    return [*numbers, " ".join(point.tied_with)]


def front_table(view: StudyView) -> Table:
    """Return the front as a table for a terminal, with both references below it."""
    summary = view.summary
    table = Table(title=f"Pareto front of {summary.name}", title_justify="left")
    table.add_column("trial", justify="right")
    tested = ("test\nΔ_MTL %", "gap") if view.has_test_split else ()
    for title in ("Δ_MTL %", *tested, "requested\nFLOPs", "delivered\nFLOPs", "of single-task"):
        table.add_column(title, justify="right", no_wrap=True)
    if summary.latency is not None:
        table.add_column("latency", justify="right", no_wrap=True)
    for task in summary.tasks:
        # Text, because a plain string is read as rich's markup.
        table.add_column(Text(f"{task.name}\n{task.metric}"), justify="right")
    for point in front_points(view):
        best = " *" if point.label == summary.best_label else ""
        requested = point.requested(summary.flop_budget)
        asked = "no cap" if requested is None else format_amount(requested)
        costs = (asked, point.flops, point.latency_ms)
        deltas = [format_signed(point.expected_delta_mtl, point.half_width)]
        if tested:
            deltas += [format_signed(point.test_delta_mtl, point.test_half_width), format_signed(point.test_gap)]
        table.add_row(f"{point.label}{best}", *_cells(view, deltas, costs, point.metrics))
    table.add_section()
    for reference in view.references:
        deltas = [format_signed(reference.delta_mtl)]
        if tested:
            deltas += [format_signed(reference.test_delta_mtl), format_signed(reference.test_gap)]
        cells = _cells(view, deltas, ("", reference.flops, None), reference.metrics)
        table.add_row(reference.kind.replace("_", "-"), *cells)
    return table


def _cells(
    view: StudyView,
    deltas: Sequence[str],
    costs: tuple[str, int | None, float | None],
    metrics: Mapping[str, float],
) -> list[str]:
    """Return a row's cells.

    ``deltas`` are Δ_MTL on each split and their gap. ``costs`` are FLOPs requested, in words, FLOPs delivered, and
    milliseconds.
    """
    summary = view.summary
    requested, flops, latency_ms = costs
    return [
        *deltas,
        requested,
        format_amount(flops or 0),
        format_share(flops or 0, summary.single_task_flops),
        *([] if summary.latency is None else [format_latency(latency_ms)]),
        *(f"{metrics[task.name]:.2f}" if task.name in metrics else "–" for task in summary.tasks),
    ]


def front_notes(view: StudyView) -> Iterator[str]:
    """Yield the lines below the table, or the reason if there is no front yet."""
    summary = view.summary
    yield from unlearned_sentences(view)
    if not front_points(view):
        yield f"No point yet: {no_front_reason(view)}"
        return
    yield "* best Δ_MTL under the budget. Δ_MTL is against single-task networks, higher is better."
    derived = next((point for point in front_points(view) if point.derived), None)
    if derived is not None:
        yield (
            f"{derived.label} is point {derived.derived} derived from trial {derived.number}: "
            "the gates it learned, cut to a smaller budget."
        )
    if summary.latency is not None:
        yield f"Latency: one forward pass on the worker's CPU ({summary.latency}){_latency_cap(summary.latency)}."
        if summary.latency.is_objective:
            yield "Latency is an objective: a point is on the front if none beats it in Δ_MTL, FLOPs and latency."
    yield from _confirmation_notes(view)
    yield on_test_sentence(view)
    if summary.hypervolume is not None:
        yield (
            f"Hypervolume {summary.hypervolume:.3f}{_band(summary.hypervolume_band)} "
            "(fraction of the single-task cost x percentage points)."
        )
    yield f"Cost: {cost_line(study_cost(view))}."


def _confirmation_notes(view: StudyView) -> Iterator[str]:
    points = front_points(view)
    confirmed = [point for point in points if point.confirmation is not None]
    if not confirmed:
        yield "One seed each: a difference may be luck."
        return
    yield "±: mean and 95 % interval over repeats with other seeds. Points without it were measured once."
    for cheaper, dearer in pairwise(points):
        if dearer.label in cheaper.tied_with:
            yield f"Tied: {cheaper.label} and {dearer.label}; their repeats cannot tell them apart."


def _band(band: tuple[float, float] | None) -> str:
    return "" if band is None else f", {band[0]:.3f} to {band[1]:.3f} at the ends of the intervals"


def _latency_cap(rule: LatencyRule) -> str:
    return "" if rule.budget_ms is None else f", at most {format_latency(rule.budget_ms)}"
