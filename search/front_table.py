"""The Pareto front as rows: for a terminal, for CSV, for JSON."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from search.formats import format_flops, format_share, format_signed
from search.records import StudyView, TrialPoint


def front_points(view: StudyView) -> list[TrialPoint]:
    """The points on the front, the cheapest first."""
    return sorted(
        (point for point in view.points if point.on_front), key=lambda point: (point.flops or 0, point.number)
    )


def front_document(view: StudyView) -> dict[str, Any]:
    """What ``front --json`` prints."""
    summary = view.summary
    return {
        "study": summary.name,
        "flop_budget": summary.flop_budget,
        "flop_budget_text": summary.flop_budget_text,
        "single_task_flops": summary.single_task_flops,
        "hypervolume": summary.hypervolume,
        "best_trial": summary.best_trial,
        "references": list(view.references),
        "points": front_points(view),
    }


def front_csv(view: StudyView) -> str:
    """One line per point of the front; a metric's column is named after its task."""
    tasks = [task.name for task in view.summary.tasks]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["trial", "delta_mtl", "flops", "share_of_single_task", "flop_budget", "num_parameters", *tasks])
    for point in front_points(view):
        share = (point.flops or 0) / view.summary.single_task_flops
        values = [point.metrics.get(task) for task in tasks]
        budget = view.summary.flop_budget
        writer.writerow([point.number, point.delta_mtl, point.flops, share, budget, point.num_parameters, *values])
    return out.getvalue()


def front_table(view: StudyView) -> Table:
    """The front with both references below it, for a terminal."""
    summary = view.summary
    table = Table(title=f"Pareto front of {summary.name}", title_justify="left")
    table.add_column("trial", justify="right")
    for title in ("Δ_MTL %", "FLOPs", "of single-task"):
        table.add_column(title, justify="right", no_wrap=True)
    for task in summary.tasks:
        table.add_column(f"{task.name}\n{task.metric}", justify="right")
    table.add_column("delivered / requested", justify="right", no_wrap=True)
    for point in front_points(view):
        best = " *" if point.number == summary.best_trial else ""
        table.add_row(f"{point.number}{best}", *_cells(view, point.delta_mtl, point.flops, point.metrics))
    table.add_section()
    for reference in view.references:
        cells = _cells(view, reference.delta_mtl, reference.flops, reference.metrics)
        table.add_row(reference.kind.replace("_", "-"), *cells[:-1], "")
    return table


def _cells(view: StudyView, delta_mtl: float | None, flops: int | None, metrics: Any) -> list[str]:
    summary = view.summary
    return [
        format_signed(delta_mtl),
        format_flops(flops or 0),
        format_share(flops or 0, summary.single_task_flops),
        *(f"{metrics[task.name]:.2f}" if task.name in metrics else "–" for task in summary.tasks),
        f"{_delivered(view, flops or 0)} / {summary.flop_budget_text or 'no cap'}",
    ]


def _delivered(view: StudyView, flops: int) -> str:
    """In the unit that the budget was asked in."""
    if view.summary.flop_budget_text.endswith("%"):
        return format_share(flops, view.summary.single_task_flops)
    return format_flops(flops)


def front_notes(view: StudyView) -> Iterator[str]:
    """What stands below the table; the reason, if there is no front yet."""
    summary = view.summary
    if not front_points(view):
        yield f"No point yet: {no_front_reason(view)}"
        return
    yield "* best Δ_MTL under the budget. Δ_MTL is against single-task networks, higher is better."
    if summary.hypervolume is not None:
        yield f"Hypervolume {summary.hypervolume:.3f} (fraction of the single-task cost x percentage points)."


def no_front_reason(view: StudyView) -> str:
    """Why a study has no front, in one sentence."""
    counts = ", ".join(f"{count} {state.lower()}" for state, count in view.summary.state_counts.items())
    return f"study {view.summary.name!r} is {view.summary.state} with {counts or 'no trial so far'}."
