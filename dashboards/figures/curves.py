"""Training curves of one trial: losses, metrics, Δ_MTL and FLOPs, epoch by epoch."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gatefront.dashboards.figures.labels import as_label, axis_labels
from gatefront.dashboards.figures.theme import DELTA_AXIS, TASK_DASHES, TASK_MARKERS, Scheme, base_figure, styled
from gatefront.search.results.formats import flop_unit, format_flops
from gatefront.search.results.records import EpochPoint, TaskRecord

_HEIGHT = 270
# Epochs outside these bands train the network itself and its gates.
_BANDS = (
    ("sparse", "sparse networks, one per task", 0.6),
    ("finetune", "fine-tune", 0.6),
    ("derive", "then derived points", 0.3),
)


def loss_figure(epochs: Sequence[EpochPoint], tasks: Sequence[TaskRecord], scheme: Scheme) -> go.Figure:
    """Draw one line per task's loss. Terms that belong to no task, such as the gates' sparsity, follow in gray."""
    figure = base_figure(scheme, height=_HEIGHT, keep="losses")
    names = [task.name for task in tasks]
    others = sorted({name for epoch in epochs for name in epoch.losses} - set(names))
    for index, name in enumerate(names):
        figure.add_scatter(**_line(name, epochs, [e.losses.get(name) for e in epochs], scheme, index))
    for index, name in enumerate(others, start=len(names)):
        trace = _line(name, epochs, [e.losses.get(name) for e in epochs], scheme, index)
        figure.add_scatter(**trace | {"line": {"color": scheme.muted, "dash": TASK_DASHES[index % len(TASK_DASHES)]}})
    figure.update_yaxes(title_text="training loss")
    return _finish(figure, epochs, scheme)


def metric_figure(epochs: Sequence[EpochPoint], tasks: Sequence[TaskRecord], scheme: Scheme) -> go.Figure:
    """Draw validation metrics. Tasks with the same metric share a panel, so that no axis mixes units."""
    labels = list(dict.fromkeys(task.metric for task in tasks))
    rows = max(len(labels), 1)
    panels = styled(
        make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.08),
        scheme, height=_HEIGHT + 150 * (rows - 1), keep="metrics",
    )  # fmt: skip
    for index, task in enumerate(tasks):
        trace = _line(task.name, epochs, [e.metrics.get(task.name) for e in epochs], scheme, index)
        panels.add_scatter(**trace, row=labels.index(task.metric) + 1, col=1)
    for row, label in enumerate(labels, start=1):
        panels.update_yaxes(title_text=label, row=row, col=1)
    return _finish(panels, epochs, scheme)


def delta_curve_figure(epochs: Sequence[EpochPoint], scheme: Scheme) -> go.Figure:
    """Draw Δ_MTL on the validation split. 0 is the single-task level."""
    figure = base_figure(scheme, height=_HEIGHT, keep="delta-curve")
    figure.add_scatter(**_line("Δ_MTL", epochs, [epoch.delta_mtl for epoch in epochs], scheme, 0))
    figure.add_hline(y=0, line={"color": scheme.muted, "width": 1, "dash": "dot"})
    figure.update_yaxes(title_text=DELTA_AXIS)
    figure.update_layout(showlegend=False)
    return _finish(figure, epochs, scheme)


def flops_curve_figure(epochs: Sequence[EpochPoint], flop_budget: int | None, scheme: Scheme) -> go.Figure:
    """Draw the FLOPs of the pruned network as the gates close, with the budget."""
    figure = base_figure(scheme, height=_HEIGHT, keep="flops-curve")
    counts = [epoch.flops for epoch in epochs]
    unit = flop_unit(max([flops for flops in counts if flops is not None] + [flop_budget or 1]))
    scaled = [None if flops is None else flops / unit.divisor for flops in counts]
    figure.add_scatter(**_line("FLOPs", epochs, scaled, scheme, 0))
    if flop_budget is not None:
        figure.add_hline(y=flop_budget / unit.divisor, line={"color": scheme.bad, "width": 1.5, "dash": "dash"})
        figure.add_annotation(
            x=0.01, xref="paper", y=flop_budget / unit.divisor, xanchor="left", yanchor="bottom", showarrow=False,
            text=f"budget {format_flops(flop_budget)}", font={"size": 12, "color": scheme.bad},
        )  # fmt: skip
    shown = [value for value in scaled if value is not None] + ([flop_budget / unit.divisor] if flop_budget else [])
    room = 0.12 * ((max(shown) - min(shown)) or max(shown)) if shown else 0.0
    # Room below the lowest value, so that a budget line does not lie on the axis.
    limits = [min(shown) - room, max(shown) + room] if shown else None
    figure.update_yaxes(title_text=f"pruned network ({unit.name})", range=limits)
    figure.update_layout(showlegend=False)
    return _finish(figure, epochs, scheme)


def _line(
    name: str, epochs: Sequence[EpochPoint], values: Sequence[float | None], scheme: Scheme, index: int
) -> dict[str, object]:
    return {
        "x": [epoch.epoch for epoch in epochs],
        "y": list(values),
        "name": axis_labels([name])[0],
        "mode": "lines+markers",
        "line": {"color": scheme.task_color(index), "width": 2, "dash": TASK_DASHES[index % len(TASK_DASHES)]},
        "marker": {"symbol": TASK_MARKERS[index % len(TASK_MARKERS)], "size": 7},
        "hovertemplate": f"{as_label(name)}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    }


def _finish(figure: go.Figure, epochs: Sequence[EpochPoint], scheme: Scheme) -> go.Figure:
    """Add the epoch axis, and bands behind the epochs of later phases: sparse, fine-tune and derive."""
    last = max((epoch.epoch for epoch in epochs), default=1)
    figure.update_xaxes(range=[0.6, last + 0.4], tickformat="d", dtick=max(1, -(-last // 10)))
    axis = max((name for name in figure.layout if str(name).startswith("xaxis")), key=_axis_number)
    figure.layout[axis].title.text = "epoch"
    shown = []
    for phase, words, opacity in _BANDS:
        found = [epoch.epoch for epoch in epochs if epoch.phase == phase]
        if found:
            left, right = min(found) - 0.5, max(found) + 0.5
            figure.add_vrect(x0=left, x1=right, fillcolor=scheme.grid, opacity=opacity, line_width=0, layer="below")
            shown.append(words)
    if shown:
        figure.add_annotation(
            x=1, xref="paper", y=1, yref="paper", xanchor="right", yanchor="bottom", showarrow=False,
            text=", ".join(shown), font={"size": 11, "color": scheme.muted},
        )  # fmt: skip
    return figure


def _axis_number(name: object) -> int:
    return int(str(name).removeprefix("xaxis") or 1)
