"""Figures of sharing: which tasks share, where they part, what it costs, and how two networks differ."""

from collections import defaultdict
from collections.abc import Sequence

import plotly.graph_objects as go

from gatefront.dashboards.figures.labels import as_label, axis_labels
from gatefront.dashboards.figures.theme import Scheme, base_figure, translucent
from gatefront.search.results.formats import flop_unit, format_flops
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.spaces.gating.sharing_analysis import Flow, Stage, affinity, flows, site_flops, stages

FLOW_HEIGHT = 380
_FLOW_PAD, _FLOW_MARGIN = 8, 12  # pixels
_MOST_NUMBERS = 24
_MOST_NAMES = 30
_ROW_HEIGHT = 44


def affinity_figure(gate_map: GateMap, scheme: Scheme) -> go.Figure:
    """Draw tasks x tasks: the percentage of a branch, by FLOPs, that both take from the shared one.

    The diagonal shows each task alone.
    """
    matrix = [[100 * value for value in row] for row in affinity(gate_map)]
    tasks, shown = [as_label(task) for task in gate_map.tasks], axis_labels(gate_map.tasks)
    figure = base_figure(scheme, height=150 + 52 * len(tasks), keep="affinity")
    words = [
        [f"{one} takes {value:.0f} % of a branch from the shared one" if one == other
         else f"{one} and {other} both take {value:.0f} % of a branch from the shared one"
         for other, value in zip(tasks, row, strict=True)]
        for one, row in zip(tasks, matrix, strict=True)
    ]  # fmt: skip
    figure.add_trace(
        go.Heatmap(
            z=matrix, x=shown, y=shown, zmin=0, zmax=100, colorscale="Cividis", xgap=3, ygap=3, hovertext=words,
            hovertemplate="%{hovertext}<extra></extra>", texttemplate="%{z:.0f}", textfont={"size": 13, "weight": 600},
            colorbar=_colorbar("shared by both (%)"),
        )
    )  # fmt: skip
    _bare(figure, scheme)
    figure.update_xaxes(type="category", tickfont={"size": 13, "color": scheme.text})
    return figure


def flow_figure(gate_map: GateMap, scheme: Scheme) -> go.Figure:
    """Draw the shared trunk from stage to stage, and each task's ribbon where its features leave it or return.

    Every task has the same width, as a share of its own features.
    """
    found = stages(gate_map)
    tasks, shown = tuple(map(as_label, gate_map.tasks)), tuple(axis_labels(gate_map.tasks))
    figure = base_figure(scheme, height=FLOW_HEIGHT, keep="flow")
    links = flows(found, len(tasks))
    used = sorted({end for link in links for end in _ends(link)})
    place = {end: index for index, end in enumerate(used)}
    last = max(len(found) - 1, 1)
    centers = _node_centers(links, len(tasks))
    figure.add_trace(
        go.Sankey(
            arrangement="fixed",
            node={
                "label": [_node_name(shown, lane, found[stage], stage in (0, last)) for stage, lane in used],
                "x": [0.001 + 0.998 * stage / last for stage, _ in used],
                "y": [centers[end] for end in used],
                "color": [scheme.muted if lane == 0 else scheme.task_color(lane - 1) for _, lane in used],
                "customdata": [f"{'shared' if not lane else tasks[lane - 1]} in {found[stage].name}"
                               for stage, lane in used],
                "hovertemplate": "%{customdata}<extra></extra>",
                "pad": _FLOW_PAD, "thickness": 10, "line": {"width": 0},
            },
            link={
                "source": [place[_ends(link)[0]] for link in links],
                "target": [place[_ends(link)[1]] for link in links],
                "value": [link.share for link in links],
                "color": [translucent(scheme.task_color(link.task), 0.45) for link in links],
                "customdata": [_link_words(link, tasks, found) for link in links],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
        )
    )  # fmt: skip
    figure.update_layout(margin=dict.fromkeys("lrtb", _FLOW_MARGIN))
    return figure


def _node_centers(links: Sequence[Flow], num_tasks: int) -> dict[tuple[int, int], float]:
    """Return the center of each node, from 0 at the top to 1, so that none is cut off and none overlap."""
    values: dict[tuple[int, int], float] = {}
    for side in (0, 1):
        totals: dict[tuple[int, int], float] = defaultdict(float)
        for link in links:
            totals[_ends(link)[side]] += link.share
        values |= {end: max(total, values.get(end, 0.0)) for end, total in totals.items()}
    columns = [sorted(end for end in values if end[0] == stage) for stage in sorted({stage for stage, _ in values})]
    # As Plotly scales nodes: the column with the most gaps has to fit, and every column holds all tasks.
    gap = _FLOW_PAD / (FLOW_HEIGHT - 2 * _FLOW_MARGIN)
    unit = (1 - gap * (max(map(len, columns), default=1) - 1)) / num_tasks
    centers = {}
    for column in columns:
        top = 0.0
        for end in column:
            height = unit * values[end]
            centers[end] = top + height / 2
            top += height + gap
    return centers


def _ends(link: Flow) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return both nodes of a link, as stage and lane. Lane 0 is the shared trunk."""
    own = link.task + 1
    return (link.stage, own if link.from_own else 0), (link.next_stage, own if link.to_own else 0)


def _node_name(tasks: tuple[str, ...], lane: int, stage: Stage, is_end: bool) -> str:
    if lane:
        return tasks[lane - 1] if is_end else ""
    return f"shared, {stage.name}" if is_end else stage.name


def _link_words(link: Flow, tasks: tuple[str, ...], found: tuple[Stage, ...]) -> str:
    words = {
        (False, False): "stays in the shared branch",
        (False, True): "leaves the shared branch",
        (True, False): "comes back to the shared branch",
        (True, True): "stays its own",
    }[link.from_own, link.to_own]
    start, end = found[link.stage].name, found[link.next_stage].name
    return f"{tasks[link.task]}: {100 * link.share:.0f} % {words}, {start} → {end}"


def flops_figure(gate_map: GateMap, scheme: Scheme) -> go.Figure:
    """Draw stacked bars per site: the shared branch's FLOPs, then what each task computes alone."""
    sites = gate_map.sites
    costs = [site_flops(site) for site in sites]
    unit = flop_unit(max((cost.total for cost in costs), default=1.0))
    figure = base_figure(scheme, height=300, keep="flops-per-site")
    rows = [("shared branch", [cost.shared for cost in costs], scheme.muted)]
    rows += [
        (label, [cost.own[t] for cost in costs], scheme.task_color(t))
        for t, label in enumerate(axis_labels(gate_map.tasks))
    ]
    patterns = ("", "/", "\\", "x", "-", "|", "+", ".")
    for index, (name, values, color) in enumerate(rows):
        figure.add_trace(
            go.Bar(
                x=list(range(len(sites))), y=[value / unit.divisor for value in values], name=name,
                customdata=[site.name for site in sites], hovertext=[format_flops(value) for value in values],
                hovertemplate=f"%{{customdata}}, {name}: %{{hovertext}}<extra></extra>",
                marker={"color": color, "pattern": {"shape": patterns[index % len(patterns)], "size": 5}},
            )
        )  # fmt: skip
    _name_sites(figure, gate_map)
    figure.update_yaxes(title_text=f"per site ({unit.name})")
    figure.update_layout(barmode="stack", bargap=0.15, margin={"t": 44})
    return figure


def difference_figure(one: GateMap, other: GateMap, names: tuple[str, str], scheme: Scheme) -> go.Figure:
    """Draw tasks x sites: by how many percentage points more a task keeps its own channels in the second network.

    Both networks must have the same sites. The scale runs from orange over the middle to blue. Both ends differ from
    the middle in lightness, and from each other for every kind of color vision.
    """
    percent = [
        [100 * (b.own_fraction(t) - a.own_fraction(t)) for a, b in zip(one.sites, other.sites, strict=True)]
        for t in range(len(one.tasks))
    ]
    figure = base_figure(scheme, height=150 + _ROW_HEIGHT * len(one.tasks), keep="difference")
    middle = "#f4f4f4" if scheme.name == "light" else "#2e2e2e"
    figure.add_trace(
        go.Heatmap(
            z=percent, x=list(range(len(one.sites))), y=axis_labels(one.tasks),
            zmin=-100, zmax=100, xgap=1.5, ygap=3,
            colorscale=[[0, scheme.bad], [0.5, middle], [1, scheme.good]],
            customdata=[[site.name for site in one.sites] for _ in one.tasks],
            hovertemplate=f"<b>%{{customdata}}</b> · %{{y}}<br>{names[1]} keeps %{{z:+.0f}} points of its channels "
                          f"more than {names[0]}<extra></extra>",
            texttemplate="%{z:+.0f}" if len(one.sites) <= _MOST_NUMBERS else None, textfont={"size": 11},
            colorbar=_colorbar("own channels, points") | {"tickvals": [-100, -50, 0, 50, 100]},
        )
    )  # fmt: skip
    _name_sites(figure, one)
    _bare(figure, scheme)
    return figure


def _colorbar(title: str) -> dict[str, object]:
    return {"title": {"text": title, "side": "right", "font": {"size": 12}}, "thickness": 12, "outlinewidth": 0,
            "len": 1.0, "tickvals": [0, 25, 50, 75, 100], "tickfont": {"size": 11}}  # fmt: skip


def _name_sites(figure: go.Figure, gate_map: GateMap) -> None:
    step = -(-len(gate_map.sites) // _MOST_NAMES)
    figure.update_xaxes(
        title_text="gate site, from the image to the heads", tickvals=list(range(0, len(gate_map.sites), step)),
        ticktext=[site.name for site in gate_map.sites[::step]], tickangle=-45, showgrid=False, ticks="",
        range=[-0.5, len(gate_map.sites) - 0.5],
    )  # fmt: skip


def _bare(figure: go.Figure, scheme: Scheme) -> None:
    figure.update_xaxes(showline=False, ticks="", showgrid=False)
    figure.update_yaxes(
        type="category", autorange="reversed", showgrid=False, showline=False, ticks="", ticklabelstandoff=8,
        tickfont={"size": 13, "color": scheme.text},
    )  # fmt: skip
    figure.update_layout(margin={"l": 20, "r": 10, "t": 12, "b": 20})
