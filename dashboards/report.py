"""Report of a study as one self-contained HTML file, which opens offline, years later, without gatefront."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from gatefront.dashboards.errors import ReportError
from gatefront.dashboards.figures.front import front_figure
from gatefront.dashboards.figures.gate_map import gate_map_figure
from gatefront.dashboards.figures.hypervolume import hypervolume_figure
from gatefront.dashboards.figures.latency import HEIGHT, latency_figure, latency_sentence
from gatefront.dashboards.figures.sharing import FLOW_HEIGHT, flow_figure
from gatefront.dashboards.figures.theme import Scheme, scheme_named
from gatefront.dashboards.presentation.empty_states import (
    confirmation_sentence,
    front_sentence,
    study_sentence,
    unlearned_sentence,
)
from gatefront.dashboards.presentation.point_text import asked_and_delivered, point_name, sureness
from gatefront.dashboards.presentation.selection_text import sharing_sentence
from gatefront.dashboards.widgets.components import state_label
from gatefront.dashboards.widgets.trial_table import standing
from gatefront.search.results.cost import cost_line, study_cost
from gatefront.search.results.formats import (
    format_count,
    format_delta,
    format_duration,
    format_flops,
    format_latency,
    format_metric,
    format_names,
    format_share,
    format_time,
    metric_name,
    shorten_name,
)
from gatefront.search.results.records import StudyView, TrialDetail, TrialPoint
from gatefront.search.results.words_on_test import on_test_sentence, on_test_text
from gatefront.search.snapshots.protocol import Reader

_FRONT_HEIGHT = 520
_HYPERVOLUME_HEIGHT = 260


def write_report(reader: Reader, study: str, path: Path) -> None:
    """Write the report of one study. Raises `StudyNotFoundError`, or `ReportError` if the file cannot be written."""
    document = study_report(reader, study)
    try:
        path.write_text(document, encoding="utf-8")
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {path}: {error.strerror}.", hint="Choose another -o."
        ) from error


def study_report(reader: Reader, study: str) -> str:
    """Return the report of one study as it is now. Raises `StudyNotFoundError`."""
    view = reader.view(study)
    front = sorted(view.front, key=lambda p: -(p.expected_delta_mtl or 0.0))
    trials = {point.number: reader.trial(study, point.number) for point in front}
    return report_html(view, [(trials[point.number], point.derived) for point in front], reader.study_file(study))


def report_html(view: StudyView, front: Sequence[tuple[TrialDetail, int]], study_file: str) -> str:
    """Return the whole page, with style, script and data inline and nothing fetched from anywhere.

    ``front`` names a network by its trial and the index of the derived network, or 0 for the trial's own.
    """
    scheme = scheme_named("light")
    style = files("gatefront.dashboards").joinpath("report.css").read_text(encoding="utf-8")
    body = "\n".join(
        [
            _head(view),
            _section("Pareto front", _sentence(front_sentence(view)), _front(view, scheme)),
            *(_front_point(view, detail, derived, scheme) for detail, derived in front),
            _section("Hypervolume", _hypervolume(view, scheme)),
            *([] if view.summary.latency is None else [_section("Latency against FLOPs", _latency(view, scheme))]),
            _section("References", _sentence(unlearned_sentence(view)), _references(view)),
            _section("Trials", _derived_note(view), _trials(view)),
            _section("Study file", f"<pre>{escape(study_file)}</pre>"),
        ]
    )
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(view.summary.name)} · gatefront report</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style><script>{get_plotlyjs()}</script></head><body><main>{body}</main></body></html>\n"
    )


def _head(view: StudyView) -> str:
    summary = view.summary
    share = format_share(summary.flop_budget, summary.single_task_flops)
    budget = "none" if summary.flop_budget is None else f"{format_flops(summary.flop_budget)}, {share} of single-task"
    best = format_delta(summary.best_delta_mtl)
    if summary.best_label is not None:
        best += f" (trial {summary.best_label})"
    pairs = [
        ("State", summary.state.value.lower()),
        ("Data", summary.data),
        ("Backbone", summary.backbone),
        ("Tasks", format_names([task.name for task in summary.tasks])),
        ("FLOP budget", budget),
        ("Best Δ_MTL within budget", best),
        ("Hypervolume", "–" if summary.hypervolume is None else f"{summary.hypervolume:.4g}"),
        ("Trials", str(len(view.points))),
        ("Points derived from them", str(len(view.derived))),
        ("Cost", cost_line(study_cost(view))),
        ("Created", format_time(summary.created_at)),
    ]
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return (
        f"<h1>{escape(summary.name)}</h1>{_sentence(study_sentence(summary))}<dl>{items}</dl>"
        "<p class=note>FLOPs: 2 per multiply-add, whole network with heads, one image. Δ_MTL: mean change against the "
        "single-task networks on the validation split, in percent, higher is better.</p>"
    )


def _front(view: StudyView, scheme: Scheme) -> str:
    note = f"<p class=note>{escape(confirmation_sentence(view))} {escape(on_test_sentence(view))}</p>"
    return _plot(front_figure(view, scheme), _FRONT_HEIGHT) + note


def _front_point(view: StudyView, detail: TrialDetail, derived: int, scheme: Scheme) -> str:
    network = next(network for network in detail.networks if network.point.derived == derived)
    point = network.point
    metrics = ", ".join(
        f"{task.name} {metric_name(task.metric)} {format_metric(point.metrics.get(task.name), task.metric)}"
        for task in view.summary.tasks
    )
    sure = "" if sureness(point) is None else f" ({sureness(point)})"
    line = (
        f"Δ_MTL {format_delta(point.delta_mtl)}{sure}, {on_test_text(view, point)}. {asked_and_delivered(point, view)} "
        f"({format_share(point.flops, view.summary.single_task_flops)} of single-task), "
        f"{format_count(point.num_parameters)} parameters, seed {detail.seed}. {metrics}."
    )
    parts = [f"<p>{escape(line)}</p>", f"<pre>{escape(network.pull_command)}</pre>"]
    if network.gate_map is not None:
        figure = gate_map_figure(network.gate_map, scheme, keep=f"map-{point.label}")
        parts.append(_plot(figure, int(figure.layout.height)))
        parts.append(f"<p>{escape(sharing_sentence(network.gate_map))}</p>")
        flow = flow_figure(network.gate_map, scheme)
        parts.append(_plot(flow, FLOW_HEIGHT))
    return _section(f"{point_name(point)}: what its tasks share", *parts)


def _hypervolume(view: StudyView, scheme: Scheme) -> str:
    if not view.hypervolume:
        return "<p>No trial has finished, so there is no hypervolume yet.</p>"
    note = (
        "<p class=note>Area between the front and hard sharing at the budget, in points of Δ_MTL "
        "times the share of the single-task cost.</p>"
    )
    return note + _plot(hypervolume_figure(view, scheme), _HYPERVOLUME_HEIGHT)


def _latency(view: StudyView, scheme: Scheme) -> str:
    return f"<p class=note>{escape(latency_sentence(view))}</p>" + _plot(latency_figure(view, scheme), HEIGHT)


def _references(view: StudyView) -> str:
    names = {"single_task": "single-task networks together", "hard_sharing": "hard sharing"}
    tested = ["Δ_MTL, test"] * view.has_test_split
    rows = [
        [
            names[reference.kind],
            format_delta(reference.delta_mtl),
            *(format_delta(reference.test_delta_mtl) for _ in tested),
            format_flops(reference.flops),
            format_count(reference.num_parameters),
            *(format_metric(reference.metrics.get(task.name), task.metric) for task in view.summary.tasks),
        ]
        for reference in view.references
    ]
    return _table(["Reference", "Δ_MTL", *tested, "FLOPs", "Parameters", *_metric_heads(view)], rows)


def _trials(view: StudyView) -> str:
    latency = ["Latency"] * (view.summary.latency is not None)
    head = ["Trial", "State", "Δ_MTL", "FLOPs requested", "delivered", "of single-task", *latency, *_metric_heads(view)]
    points = sorted((*view.all_points, *view.replicates), key=lambda point: (point.number, point.derived))
    return _table([*head, "Front", "Time", "Cause"], [_trial_row(view, point) for point in points])


def _derived_note(view: StudyView) -> str:
    if not view.derived:
        return ""
    return (
        "<p class=note>7.2 is the second network derived from trial 7: the gates it learned, cut to a smaller budget "
        "and trained on.</p>"
    )


def _trial_row(view: StudyView, point: TrialPoint) -> list[str]:
    return [
        point.label,
        state_label(point.state),
        format_delta(point.delta_mtl),
        format_flops(point.requested(view.summary.flop_budget)),
        format_flops(point.flops),
        format_share(point.flops, view.summary.single_task_flops),
        *([] if view.summary.latency is None else [format_latency(point.latency_ms)]),
        *(format_metric(point.metrics.get(task.name), task.metric) for task in view.summary.tasks),
        standing(point),
        format_duration(point.seconds),
        point.cause,
    ]


def _metric_heads(view: StudyView) -> list[str]:
    return [f"{shorten_name(task.name)}, {metric_name(task.metric)}" for task in view.summary.tasks]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>"


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _sentence(sentence: str | None) -> str:
    return f"<p class=reason>{escape(sentence)}</p>" if sentence else ""


def _plot(figure: go.Figure, height: int) -> str:
    figure.update_layout(height=height)
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, include_mathjax=False,
        config={"displayModeBar": False, "responsive": True}, default_height=f"{height}px",
    )  # fmt: skip
    return html
