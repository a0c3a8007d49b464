"""Table of systems: columns and rows for AG Grid, in plain JSON types."""

from typing import Any

from gatefront.dashboards.widgets.ids import task_key
from gatefront.search.comparison import ComparisonTable, Spread
from gatefront.search.results.formats import flop_unit, shorten_name


def comparison_columns(table: ComparisonTable) -> list[dict[str, Any]]:
    """Return column definitions. Every column sorts by its mean, and shows ± one standard deviation over seeds.

    The deciding columns come first, because a phone shows no more than two columns at once.
    """
    unit = flop_unit(table.single_task_flops or 1)
    return [
        {"field": "system", "headerName": "System", "minWidth": 190, "flex": 1},
        _with_spread("delta_mtl", "Δ_MTL (%)", "+.2f"),
        _number("flops", unit.name, ".4r"),
        _number("share", "% of single-task", ".1f"),
        _number("mean_rank", "Mean rank", ".1f"),
        *(
            _with_spread(f"metric_{task_key(task.name)}", f"{shorten_name(task.name)}: {task.metric}")
            for task in table.tasks
        ),
        _number("parameters", "Parameters", ",d"),
        _number("training", "Training FLOPs", ".3s"),
        _number("seeds", "Seeds", "d"),
    ]


def comparison_rows(table: ComparisonTable) -> list[dict[str, Any]]:
    single = table.single_task_flops
    unit = flop_unit(single or 1)
    return [
        {
            "system": line.system,
            **_fields("delta_mtl", line.delta_mtl),
            "mean_rank": line.mean_rank,
            "flops": line.flops / unit.divisor,
            "share": 100 * line.flops / single if single else None,
            "parameters": line.num_parameters,
            "training": line.train_flops,
            "seeds": line.num_seeds,
        }
        | {
            key: value
            for name, s in line.metrics.items()
            for key, value in _fields(f"metric_{task_key(name)}", s).items()
        }
        for line in table.lines
    ]


def _fields(field: str, spread: Spread) -> dict[str, float | None]:
    return {field: spread.mean, f"{field}_deviation": spread.deviation}


def _number(field: str, name: str, spec: str) -> dict[str, Any]:
    formatter = f"params.value == null ? '–' : d3.format('{spec}')(params.value)"
    return {"field": field, "headerName": name, "type": "rightAligned", "minWidth": 104, "width": 104,
            "valueFormatter": {"function": formatter}}  # fmt: skip


def _with_spread(field: str, name: str, spec: str = ".2f") -> dict[str, Any]:
    column = _number(field, name, spec)
    deviation = f"params.data['{field}_deviation']"
    shown = f"{deviation} == null ? '' : ' ± ' + d3.format('.2f')({deviation})"
    column["valueFormatter"] = {
        "function": f"params.value == null ? '–' : d3.format('{spec}')(params.value) + ({shown})"
    }
    return column | {"minWidth": 124, "width": 124}
