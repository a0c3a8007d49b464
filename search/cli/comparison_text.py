"""A comparison as a table for a terminal and as a document for a program."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from gatefront.search.results.comparison_table import ComparisonTable, Spread
from gatefront.search.results.formats import format_amount, format_share, format_signed

FAIRNESS = (
    "Same data, same validation split, same seeds; Δ_MTL and rank on that split, on which nothing was selected.",
    "Hard sharing starts from the backbone's weights and trains for as many epochs as cost no less than InterroGate's "
    "row took with all networks that initialised it; a weighting that needs more backward passes gets fewer epochs.",
    "Other families start from what their papers start from, and train until they have cost as much in all; the sparse "
    "networks by which LOMT finds its layers count.",
    "Single-task networks train for `reference_epochs`; Δ_MTL is against them.",
)


def comparison_words(table: ComparisonTable) -> Table:
    """Return the comparison as a table, in which ± is one standard deviation over seeds."""
    single = table.single_task_flops
    out = Table(title=f"Systems compared on {table.name}", title_justify="left")
    out.add_column("system", no_wrap=True)
    for task in table.tasks:
        # Text, because a plain string is read as rich's markup.
        out.add_column(Text(f"{task.name}\n{task.metric}"), justify="right")
    for title in ("Δ_MTL %", "mean\nrank", "FLOPs", "of single-\ntask", "parameters", "training\nFLOPs", "seeds"):
        out.add_column(title, justify="right")
    for line in table.lines:
        out.add_row(
            line.system,
            *(_spread(line.metrics[task.name]) for task in table.tasks),
            format_signed(line.delta_mtl.mean, line.delta_mtl.deviation),
            f"{line.mean_rank:.1f}",
            format_amount(line.flops),
            format_share(line.flops, single or 0),
            format_amount(line.num_parameters),
            format_amount(line.train_flops),
            str(line.num_seeds),
        )
    return out


def comparison_notes() -> Iterator[str]:
    """Yield the lines below the table."""
    yield "± is one standard deviation over seeds. Mean rank: over the tasks, 1 is best, ties share their places."
    yield from FAIRNESS


def comparison_document(table: ComparisonTable) -> dict[str, Any]:
    """Return the document of ``compare --json``."""
    return {"name": table.name, "fairness": list(FAIRNESS), "tasks": list(table.tasks), "systems": list(table.lines)}


def _spread(value: Spread) -> str:
    deviation = "" if value.deviation is None else f" ± {value.deviation:.2f}"
    return f"{value.mean:.2f}{deviation}"
