"""Pictures of the card, drawn from records: the network among others, and its gates."""

import warnings
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, PercentFormatter

from gatefront.search.results.comparison_table import ComparisonTable
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.spaces.gating.gate_map import GateMap, GateSite

_INK, _MUTED, _FRONT, _CHOSEN = "#1f2933", "#9aa5b1", "#1864ab", "#d9480f"
_TASK_COLOURS = ("#1864ab", "#e8590c", "#2b8a3e", "#862e9c", "#c2255c", "#0b7285", "#5f3dc4", "#846204")
_MAX_WRITTEN_SITES = 24
_MAX_LABEL = 24


def draw_front(view: StudyView, trial: TrialPoint, path: Path, *, flop_budget: int | None) -> None:
    """Draw Δ_MTL against FLOPs for the points of a study.

    The picture shows every point of a complete trial, the front, the references, the budget and this network.
    """
    figure, axes = _canvas(7.2, 4.6)
    plot = axes[0]
    complete = [point for point in view.all_points if point.flops is not None and point.delta_mtl is not None]
    others = [point for point in complete if not point.on_front and point.label != trial.label]
    front = sorted((point for point in complete if point.on_front), key=lambda point: point.flops or 0)
    for name, size, is_derived in (("trials", 26, False), ("derived from a trial", 8, True)):
        shown = [point for point in others if bool(point.derived) is is_derived]
        if shown:
            plot.scatter(*_coordinates(shown), s=size, color=_MUTED, label=name, zorder=2)
    # Steps, because a budget between two points of the front allows the left one and nothing better.
    plot.plot(
        *_coordinates(front), "o-", color=_FRONT, linewidth=1.6, drawstyle="steps-post", label="Pareto front", zorder=3
    )
    for reference in view.references:
        marker, name = ("s", "single-task") if reference.kind == "single_task" else ("^", "hard sharing")
        plot.scatter(
            reference.flops, reference.delta_mtl, marker=marker, s=64, facecolor="white", edgecolor=_INK, zorder=4
        )
        plot.annotate(name, (reference.flops, reference.delta_mtl), (0, 9), textcoords="offset points", ha="center")
    plot.scatter(*_coordinates([trial]), marker="*", s=260, color=_CHOSEN, zorder=5, label=f"trial {trial.label}")
    if flop_budget is not None:
        plot.axvline(flop_budget, color=_CHOSEN, linestyle="--", linewidth=1.2, label="flop_budget", zorder=1)
    plot.axhline(0, color=_MUTED, linewidth=0.8, zorder=0)
    plot.margins(x=0.12, y=0.14)
    plot.xaxis.set_major_formatter(EngFormatter())
    plot.set(xlabel="FLOPs per image (2 per multiply-add)", ylabel="Δ_MTL in % (single-task = 0)")
    plot.set_title(f"{view.summary.name}: accuracy against cost", loc="left")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    _save(figure, path)


def draw_systems(table: ComparisonTable, system: str, path: Path) -> None:
    """Draw Δ_MTL against FLOPs for the systems of a comparison.

    Each point is a mean over seeds. The point of ``system`` is marked.
    """
    figure, axes = _canvas(7.2, 4.6)
    plot = axes[0]
    for line in table.lines:
        marker, size, colour = ("*", 260, _CHOSEN) if line.system == system else ("o", 30, _MUTED)
        place = (line.flops, line.delta_mtl.mean)
        plot.errorbar(*place, yerr=line.delta_mtl.deviation or 0.0, color=colour, linewidth=1.0, zorder=2)
        plot.scatter(*place, marker=marker, s=size, color=colour, zorder=3)
        plot.annotate(line.system, place, (6, 4), textcoords="offset points", fontsize=8)
    plot.axhline(0, color=_MUTED, linewidth=0.8, zorder=0)
    plot.margins(x=0.16, y=0.14)
    plot.xaxis.set_major_formatter(EngFormatter())
    plot.set(xlabel="FLOPs per image (2 per multiply-add)", ylabel="Δ_MTL in % (single-task = 0)")
    plot.set_title(f"{table.name}: systems compared, mean over seeds ± one deviation", loc="left")
    _save(figure, path)


def draw_gate_map(gate_map: GateMap, path: Path, *, title: str) -> None:
    """Draw the gates of a network above the costs of its sites.

    The upper plot shows the fraction of own channels of each task at each site. The lower plot shows the FLOPs of each
    site, split into shared ones and those of each task.
    """
    width = min(18.0, max(7.2, 2.0 + 0.42 * len(gate_map.sites)))
    figure, (heat, cost) = _canvas(width, 2.6 + 0.42 * len(gate_map.tasks) + 2.2, rows=(0.62 * len(gate_map.tasks), 2))
    _draw_fractions(heat, gate_map, figure)
    _draw_cost(cost, gate_map)
    heat.set_title(title, loc="left")
    _save(figure, path)


def site_costs(site: GateSite) -> tuple[list[float], float]:
    """Return the FLOPs that a site spends on each task's own channels, and on the shared ones.

    A shared channel is computed if at least one task takes it (InterroGate's cost n + 1[n < T]).
    """
    own = [row.count("1") * site.flops_per_channel for row in site.own]
    taken = sum(1 for channel in zip(*site.own, strict=True) if "0" in channel)
    return own, taken * site.flops_per_channel


def _draw_fractions(plot: Axes, gate_map: GateMap, figure: Figure) -> None:
    fractions = np.array(gate_map.own_fractions()).T
    picture = plot.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    plot.spines[:].set_visible(False)
    plot.set_yticks(range(len(gate_map.tasks)), [_as_label(task) for task in gate_map.tasks])
    plot.set_xticks([])
    plot.tick_params(length=0)
    if len(gate_map.sites) <= _MAX_WRITTEN_SITES:
        for (row, column), value in np.ndenumerate(fractions):
            if np.isnan(value):  # the task does not read this site
                continue
            colour = "white" if value > 0.55 else _INK
            plot.text(column, row, f"{value:.0%}", ha="center", va="center", color=colour, fontsize=8)
    bar = figure.colorbar(picture, ax=plot, fraction=0.03, pad=0.02, format=PercentFormatter(1.0))
    bar.set_label("own channels", fontsize=9)
    bar.ax.tick_params(labelsize=9)


def _draw_cost(plot: Axes, gate_map: GateMap) -> None:
    costs = [site_costs(site) for site in gate_map.sites]
    places = np.arange(len(costs))
    base = np.array([shared for _, shared in costs])
    plot.bar(places, base, color=_MUTED, width=0.72, label="shared")
    for index, task in enumerate(gate_map.tasks):
        heights = np.array([own[index] for own, _ in costs])
        colour = _TASK_COLOURS[index % len(_TASK_COLOURS)]
        plot.bar(places, heights, bottom=base, color=colour, width=0.72, label=f"own of {_as_label(task)}")
        base = base + heights
    plot.set_xlim(-0.5, len(costs) - 0.5)
    plot.set_xticks(
        places, [_as_label(site.name) for site in gate_map.sites], rotation=90 if len(costs) > 8 else 0, fontsize=8
    )
    plot.yaxis.set_major_formatter(EngFormatter())
    plot.set(ylabel="FLOPs", xlabel="gate sites, from the input to the heads")
    plot.legend(
        frameon=False, fontsize=8, ncols=min(4, len(gate_map.tasks) + 1), loc="lower left", bbox_to_anchor=(0, 1)
    )


def _as_label(name: str) -> str:
    """Return a name as Matplotlib can show it.

    Dollar signs are escaped, because they enclose formulas. A long name is shortened to leave room for the plot.
    """
    shown = name if len(name) <= _MAX_LABEL else f"{name[: _MAX_LABEL - 1]}…"
    return shown.replace("$", r"\$")


def _coordinates(points: list[TrialPoint]) -> tuple[list[float], list[float]]:
    return [float(point.flops or 0) for point in points], [float(point.delta_mtl or 0) for point in points]


def _canvas(width: float, height: float, rows: tuple[float, ...] = (1,)) -> tuple[Figure, list[Axes]]:
    # Not pyplot, which shares state with a notebook, may open a window and is unsafe in a server's thread.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(rows), 1, height_ratios=rows)
    axes = [figure.add_subplot(grid[row, 0]) for row in range(len(rows))]
    for plot in axes:
        for side in ("top", "right"):
            plot.spines[side].set_visible(False)
        plot.tick_params(colors=_INK, labelsize=9)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        # Names of tasks and layers may be in any script. A character that the font lacks becomes a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, dpi=130, facecolor="white")
