"""Table of trials: columns and rows for AG Grid, in plain JSON types."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from gatefront.dashboards.presentation.point_text import expected_delta, place
from gatefront.dashboards.widgets.components import state_label
from gatefront.dashboards.widgets.ids import task_key, task_of_key
from gatefront.dashboards.widgets.links import trial_path
from gatefront.search.results.formats import flop_unit, format_duration, metric_name, metric_unit, shorten_name
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import StudyView, TaskRecord, TrialPoint
from gatefront.search.results.states import TrialState

# The grid takes its colors from Mantine's variables, so it follows the light and the dark scheme by itself.
_THEME = """themeQuartz.withParams({
  backgroundColor: 'var(--mantine-color-body)', foregroundColor: 'var(--mantine-color-text)',
  headerTextColor: 'var(--mantine-color-dimmed)', headerBackgroundColor: 'transparent',
  borderColor: 'var(--mantine-color-default-border)', rowHoverColor: 'var(--mantine-color-default-hover)',
  wrapperBorder: false, headerColumnBorder: false,
  headerColumnResizeHandleColor: 'transparent', fontFamily: 'inherit', fontSize: 13, headerFontWeight: 600, spacing: 6,
  cellHorizontalPadding: 9
})"""

_METRIC = "metric_"
"""Prefix of the name of a task's column, before the task's key."""

GRID_OPTIONS: dict[str, Any] = {
    "theme": {"function": _THEME},
    "animateRows": False,
    "tooltipShowDelay": 300,
    "enableCellTextSelection": True,
}


def trial_columns(view: StudyView) -> list[dict[str, Any]]:
    """Return column definitions, with FLOPs in the unit that suits the single-task cost."""
    unit = flop_unit(view.summary.single_task_flops)
    # The interval of a point with replicates is behind its place.
    front = 104 if all(point.confirmation is None for point in view.trials) else 190
    return [
        {"field": "link", "headerName": "Trial", "cellRenderer": "markdown", "minWidth": 72, "width": 72,
         "sort": "desc"},
        {"field": "state", "headerName": "State", "minWidth": 130, "width": 130},
        _number("delta_mtl", "Δ_MTL (%)", "+.2f", 78),
        {"headerName": unit.name, "children": [
            _number("requested", "requested", ".4r", 96), _number("flops", "delivered", ".4r", 92),
        ]},
        _number("share", "% of single-task", ".1f", 80),
        *([] if view.summary.latency is None else [_number("latency", "Latency (ms)", ".3r", 84)]),
        *_metric_groups(view.summary.tasks),
        {"field": "front", "headerName": "Front", "minWidth": front, "width": front, "tooltipField": "front"},
        {"field": "derived", "headerName": "Derived points", "minWidth": 80, "width": 80},
        {"field": "epochs", "headerName": "Epochs", "minWidth": 74, "width": 74},
        {"field": "time", "headerName": "Time", "minWidth": 64, "width": 64},
        {"field": "cause", "headerName": "Cause", "minWidth": 80, "flex": 1, "tooltipField": "cause"},
    ]  # fmt: skip


def trial_rows(view: StudyView, trials: Sequence[TrialPoint] | None = None) -> list[dict[str, Any]]:
    """Return a row per trial, of all of them in order (None) or of those given."""
    unit = flop_unit(view.summary.single_task_flops)
    shown = view.trials if trials is None else trials
    numbers = {point.number for point in shown}
    derived: dict[int, list[TrialPoint]] = {}
    for point in (*view.derived, *view.replicates):
        if point.derived and point.number in numbers:
            derived.setdefault(point.number, []).append(point)
    return [_row(view, point, derived.get(point.number, []), unit.divisor) for point in shown]


def trial_window(view: StudyView, request: Mapping[str, Any], selected: frozenset[str] | None = None) -> dict[str, Any]:
    """Return the rows that the grid asks for, sorted as it requests, and their number.

    Only ``selected`` trials are in them, unless it is None.
    """
    trials = list(view.trials)
    if selected is not None:
        numbers = {PointLabel.parse(label).number for label in selected}
        trials = [point for point in trials if point.number in numbers]
    # The last criterion first: sorting is stable.
    for criterion in reversed(request.get("sortModel") or []):
        key = _sort_key(view, criterion["colId"])
        keyed = [(key(point), point) for point in trials]
        known = [pair for pair in keyed if pair[0] is not None]
        known.sort(key=itemgetter(0), reverse=criterion["sort"] == "desc")
        trials = [point for _, point in known] + [point for value, point in keyed if value is None]
    window = trials[request["startRow"] : request["endRow"]]
    return {"rowData": trial_rows(view, window), "rowCount": len(trials)}


def _sort_key(view: StudyView, column: str) -> Callable[[TrialPoint], Any]:
    """Return the sort key of a column. It is None, which comes last, if a trial has no value there."""
    key = column.removeprefix(_METRIC)
    if key != column:
        task = task_of_key(key)
        return lambda point: point.metrics.get(task)
    keys: dict[str, Callable[[TrialPoint], Any]] = {
        "state": lambda point: state_label(point.state),
        "delta_mtl": lambda point: point.delta_mtl,
        "requested": lambda point: point.requested(view.summary.flop_budget),
        "flops": lambda point: point.flops,
        "share": lambda point: point.flops,
        "latency": lambda point: point.latency_ms,
        "front": lambda point: standing(point) or None,
        "derived": _num_derived(view),
        "epochs": lambda point: point.epoch,
        "time": lambda point: point.seconds,
        "cause": lambda point: point.cause or None,
    }
    return keys.get(column, lambda point: point.number)


def _num_derived(view: StudyView) -> Callable[[TrialPoint], int | None]:
    counts = Counter(point.number for point in (*view.derived, *view.replicates) if point.derived)
    return lambda point: counts.get(point.number)


def standing(point: TrialPoint) -> str:
    """Return the place of a complete trial or derived point: on the front, dominated, or over a budget.

    The place of any other is empty.
    """
    if point.state is not TrialState.COMPLETE:
        return ""
    if point.confirms is not None:
        return f"↻ seed of {point.confirms}"
    sure = "" if point.confirmation is None else f" {expected_delta(point)}"
    return f"● on it{sure}" if point.on_front else f"{'○' if point.is_feasible else '✕'} {place(point)}{sure}"


def table_height(view: StudyView) -> dict[str, str]:
    """Return the height for all rows up to about fifteen. More rows scroll inside the table."""
    return {"height": f"{96 + 36 * min(max(len(view.trials), 2), 15)}px"}


def _row(view: StudyView, point: TrialPoint, derived: Sequence[TrialPoint], divisor: float) -> dict[str, Any]:
    total = view.summary.single_task_flops
    requested = point.requested(view.summary.flop_budget)
    row: dict[str, Any] = {
        "id": str(point.number),
        "number": point.number,
        "link": f"[{point.number}]({trial_path(view.summary.name, point.number)})",
        "state": state_label(point.state),
        "delta_mtl": point.delta_mtl,
        "requested": None if requested is None else requested / divisor,
        "flops": None if point.flops is None else point.flops / divisor,
        "share": None if point.flops is None or not total else 100 * point.flops / total,
        "latency": point.latency_ms,
        "front": standing(point),
        "derived": _derived_standing(derived),
        "epochs": f"{point.epoch} / {point.num_epochs}",
        "time": format_duration(point.seconds),
        "cause": point.cause,
    }
    return row | {_METRIC + task_key(task.name): point.metrics.get(task.name) for task in view.summary.tasks}


def _derived_standing(derived: Sequence[TrialPoint]) -> str:
    """Return how many points were derived from a trial, and which of them are on the front."""
    on_front = ", ".join(point.label for point in derived if point.on_front)
    return f"{len(derived)}, ● {on_front}" if on_front else str(len(derived) or "")


def _number(field: str, name: str, spec: str, width: int) -> dict[str, Any]:
    formatter = f"params.value == null ? '–' : d3.format('{spec}')(params.value)"
    return {
        "field": field, "headerName": name, "type": "rightAligned", "minWidth": width, "width": width,
        "valueFormatter": {"function": formatter},
    }  # fmt: skip


def _width(name: str) -> int:
    """Return the width in pixels of a column whose heading, one word, is not broken."""
    return min(max(74, 20 + round(7.8 * len(name))), 320)


def _metric_groups(tasks: Sequence[TaskRecord]) -> list[dict[str, Any]]:
    """Return one heading per metric over the columns of the tasks that it measures."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for task in tasks:
        unit = metric_unit(task.metric)
        heading = f"{metric_name(task.metric)}{f' ({unit})' if unit else ''}"
        name = shorten_name(task.name)
        column = _number(_METRIC + task_key(task.name), name, ".3f" if unit in ("m", "") else ".2f", _width(name))
        groups.setdefault(heading, []).append(column | {"headerTooltip": task.name})
    return [{"headerName": heading, "children": columns} for heading, columns in groups.items()]
