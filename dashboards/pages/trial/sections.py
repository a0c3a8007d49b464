"""Text parts of the trial page: head, figures, task table, pull command, facts."""

from collections.abc import Mapping

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.pages.trial.bundle import bundle_button
from gatefront.dashboards.pages.trial.latency import latency_card
from gatefront.dashboards.presentation.empty_states import pull_sentence
from gatefront.dashboards.presentation.point_text import point_name, sureness
from gatefront.dashboards.widgets import ids
from gatefront.dashboards.widgets.components import card, facts, reason, stat, stats, trial_badge
from gatefront.dashboards.widgets.links import STUDIES, study_path, trial_path
from gatefront.search.config.latency import LatencyRule
from gatefront.search.results.formats import (
    NONE,
    format_count,
    format_delta,
    format_duration,
    format_flops,
    format_latency,
    format_metric,
    format_share,
    format_signed,
    format_time,
    format_value,
    metric_name,
)
from gatefront.search.results.records import EpochPoint, PointDetail, StudyView, TaskRecord, TrialDetail, TrialPoint
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.states import TrialState
from gatefront.search.results.words_on_test import delta_on_test, on_test_text


def trial_header(view: StudyView, detail: TrialDetail, chosen: PointDetail) -> Component:
    number = detail.point.number
    numbers = [point.number for point in view.trials]
    earlier = max((n for n in numbers if n < number), default=None)
    later = min((n for n in numbers if n > number), default=None)
    crumbs = dmc.Breadcrumbs(
        [
            dcc.Link("Studies", href=STUDIES),
            dcc.Link(detail.study, href=study_path(detail.study)),
            f"Trial {chosen.point.label}",
        ],
        className="crumbs",
    )
    steps = dmc.Group([_step(detail.study, earlier, "← Trial {}"), _step(detail.study, later, "Trial {} →")], gap="md")
    title = [dmc.Title(point_name(chosen.point), order=1, className="page-title"), trial_badge(detail.point.state)]
    if chosen.point.on_front:
        title.append(dmc.Badge("● on the front", color="blue", variant="light", size="lg", tt="none", fw=600))
    line = dmc.Group([dmc.Group(title, gap="sm"), steps], justify="space-between")
    return html.Div([crumbs, line], className="page-head")


def _step(study: str, number: int | None, text: str) -> Component | None:
    return None if number is None else dcc.Link(text.format(number), href=trial_path(study, number), className="step")


def trial_stats(view: StudyView, detail: TrialDetail, chosen: PointDetail) -> Component:
    point, summary = chosen.point, view.summary
    latest = latest_epoch(detail)
    delta = point.delta_mtl if latest is None else latest.delta_mtl
    flops = point.flops if latest is None else latest.flops
    share = f"{format_share(flops, summary.single_task_flops)} of single-task"
    so_far = None if latest is None else f"after epoch {latest.epoch}"
    return stats(
        [
            stat("Δ_MTL", format_delta(delta), so_far or sureness(point) or _against_hard_sharing(view, point)),
            stat("Δ_MTL, test split", delta_on_test(point), on_test_text(view, point)),
            stat("FLOPs requested", format_flops(point.requested(summary.flop_budget)), _asked(detail, chosen)),
            stat("FLOPs delivered", format_flops(flops), so_far or (share if flops else "2 per multiply-add")),
            *([] if summary.latency is None else [_latency_stat(summary.latency, point)]),
            stat("Parameters", format_count(point.num_parameters), "of the pruned network"),
            stat("Time", format_duration(point.seconds), detail.device or "so far"),
            stat("Epochs", f"{point.epoch} of {point.num_epochs}", f"seed {detail.seed}"),
        ]
    )


def _latency_stat(rule: LatencyRule, point: TrialPoint) -> Component:
    cap = "" if rule.budget_ms is None else f" · at most {format_latency(rule.budget_ms)}"
    return stat("Latency", format_latency(point.latency_ms), f"{rule}{cap}")


def latest_epoch(detail: TrialDetail) -> EpochPoint | None:
    """Return the last finished epoch of a trial that has no result of its own, or None for a complete one."""
    if detail.point.state is TrialState.COMPLETE or not detail.epochs:
        return None
    return detail.epochs[-1]


def _against_hard_sharing(view: StudyView, point: TrialPoint) -> str:
    hard = next((r for r in view.references if r.kind == "hard_sharing"), None)
    if hard is None or point.delta_mtl is None:
        return "0 % is the single-task level"
    return f"{format_signed(point.delta_mtl - hard.delta_mtl)} points on hard sharing"


def _asked(detail: TrialDetail, chosen: PointDetail) -> str:
    """Return in words what set the request, and whether the gates were projected to it."""
    if chosen.point.derived:
        return f"cut from trial {detail.point.number}'s gates"
    whose = "the study's budget" if detail.point.flop_target is None else "this trial's target"
    before, after = detail.flops_before_cut, detail.point.flops
    if before is None or after is None:
        return whose
    return f"{whose}, no cut" if before == after else f"cut from {format_flops(before)}"


def _test_cells(on_test: SplitFigures, alone: Mapping[str, float], task: TaskRecord) -> list[Component]:
    """Return a task's metric on the test split, that of its single-task network, and the change."""
    return [
        html.Td(_metric(on_test.metrics, task), className="number strong"),
        html.Td(_metric(alone, task), className="number"),
        html.Td(format_delta(on_test.delta_per_task.get(task.name)), className="number strong"),
    ]


def task_table(view: StudyView, detail: TrialDetail, chosen: PointDetail) -> Component:
    """Return each task's metric here, alone and under hard sharing. The metric's name shows the better direction."""
    by_kind = {reference.kind: reference.metrics for reference in view.references}
    latest = latest_epoch(detail)
    metrics = chosen.point.metrics if latest is None else latest.metrics
    here = "This network" if latest is None else f"After epoch {latest.epoch}"
    on_test = None if latest is not None else chosen.point.on_test
    tested = [] if on_test is None else ["Test", "Single-task, test", "Δ, test"]
    alone = next((r.test_metrics for r in view.references if r.kind == "single_task"), {})
    head = ["Task", "Metric", here, "Single-task", "Hard sharing", "Δ", *tested]
    rows = [
        html.Tr(
            [
                html.Td(task.name, className="name"),
                html.Td(f"{metric_name(task.metric)} {'↑' if task.higher_is_better else '↓'}", className="dimmed"),
                html.Td(_metric(metrics, task), className="number strong"),
                html.Td(_metric(by_kind.get("single_task", {}), task), className="number"),
                html.Td(_metric(by_kind.get("hard_sharing", {}), task), className="number"),
                html.Td(format_delta(chosen.delta_per_task.get(task.name)), className="number strong"),
                *([] if on_test is None else _test_cells(on_test, alone, task)),
            ]
        )
        for task in view.summary.tasks
    ]
    classes = ["", "", *["number"] * (len(head) - 2)]
    header = html.Tr([html.Th(name, className=name_class) for name, name_class in zip(head, classes, strict=True)])
    return html.Div(html.Table([html.Thead(header), html.Tbody(rows)], className="plain"), className="scroll")


def _metric(metrics: Mapping[str, float], task: TaskRecord) -> str:
    return format_metric(metrics.get(task.name), task.metric)


def pull_row(detail: TrialDetail, chosen: PointDetail) -> Component:
    """Return the exact command that writes this network's bundle, with a button that copies it, and one for a zip."""
    sentence = pull_sentence(detail)
    if sentence:
        return html.Div(reason(sentence))
    return html.Div(
        [
            html.Code(chosen.pull_command, id=ids.TRIAL_PULL_COMMAND, className="command"),
            dmc.CopyButton(
                "Copy command", id=ids.TRIAL_COPY, value=chosen.pull_command, copiedChildren="Copied ✓",
                color="blue", copiedColor="teal", timeout=2000,
            ),
            bundle_button(),
        ],
        className="pull",
    )  # fmt: skip


def trial_facts(detail: TrialDetail, chosen: PointDetail) -> Component:
    point = chosen.point
    train_flops = NONE if chosen.train_flops is None else format_flops(chosen.train_flops)
    memory = NONE if detail.peak_memory_mib is None else f"{detail.peak_memory_mib:,.0f} MiB"
    run = [
        ("Started", format_time(point.started_at)),
        ("Finished", format_time(point.finished_at)),
        ("Attempts", str(detail.attempts)),
        ("Seed", str(detail.seed)),
        ("Device", detail.device or NONE),
        ("Training cost", train_flops),
        ("Peak memory", memory),
        ("FLOPs before the cut", format_flops(detail.flops_before_cut)),
    ]
    params = [(name, format_value(value)) for name, value in sorted(point.params.items())]
    environment = [(name, str(value)) for name, value in sorted(detail.environment.items())]
    boxes = dmc.SimpleGrid(
        [
            card("Run", facts(run)),
            card("Settings", facts(params) if params else reason("No setting was recorded.")),
            card("Environment", facts(environment) if environment else reason("Recorded when the trial finishes.")),
        ],
        cols={"base": 1, "md": 3},
        spacing="md",
    )
    latency = latency_card(chosen)
    return html.Div([boxes] if latency is None else [html.Div(latency, className="block"), boxes])
