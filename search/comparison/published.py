"""Published points of NYUD-v2 and PASCAL-Context, to be drawn beneath those of a study."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = "InterroGate (Bejnordi et al., arXiv 2402.16848), NYUD-v2 with ResNet-50 and PASCAL-Context with ResNet-18"

_TABLE = Path(__file__).with_name("published_frontiers.csv")
_FIRST_METRIC, _LAST_METRIC = "semseg", "edges"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPoint:
    """Row of a published table.

    ``doubt`` says what is inconsistent in it, and is empty for most rows.
    """

    backbone: str
    system: str
    delta_mtl: float
    flops: int
    mean_rank: float
    metrics: Mapping[str, float]
    doubt: str


def published_points(data: str) -> tuple[PublishedPoint, ...]:
    """Return the published rows for a data set, by its name in a study file.

    The result is empty for any other data set.
    """
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(_point(row) for row in csv.DictReader(file) if row["data"] == data)


def _point(row: Mapping[str, str]) -> PublishedPoint:
    columns = list(row)
    metrics = columns[columns.index(_FIRST_METRIC) : columns.index(_LAST_METRIC) + 1]
    return PublishedPoint(
        backbone=row["backbone"],
        system=row["system"],
        delta_mtl=float(row["delta_mtl"]),
        flops=int(row["gflops"]) * 10**9,
        mean_rank=float(row["mean_rank"]),
        metrics={name: float(row[name]) for name in metrics if row[name]},
        doubt=row["doubt"],
    )
