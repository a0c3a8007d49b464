"""trial_detail: everything known of one trial, from its rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gatefront.search.results.latency import Latency
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import EpochPoint, PointDetail, TrialDetail, TrialPoint
from gatefront.search.storage.tables.schema import EpochRow, NetworkRow, TrialRow
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.spaces.json_codec import from_json


def trial_detail(
    row: TrialRow,
    epochs: Sequence[EpochRow],
    points: Sequence[TrialPoint],
    networks: Sequence[NetworkRow],
    latencies: Mapping[int, tuple[Latency, ...]],
    pull_command: Callable[[PointLabel], str],
) -> TrialDetail:
    """Return the record of a trial's page.

    Args:
        row: the trial.
        epochs: its epochs, in order.
        points: its own point, then those derived from it.
        networks: the rows of its networks, which it has once it is complete.
        latencies: measurements of its networks, by their index.
        pull_command: returns the command that pulls a network.
    """
    rows = {network.derived: network for network in networks}

    def fields(point: TrialPoint) -> dict[str, Any]:
        network = rows.get(point.derived)
        gate_map = None if network is None else network.gate_map
        return {
            "point": point,
            "delta_per_task": {} if network is None else network.delta_per_task,
            "gate_map": None if gate_map is None else from_json(GateMap, gate_map),
            "train_flops": None if network is None else network.train_flops,
            "pull_command": pull_command(PointLabel(point.number, point.derived)),
            "latencies": latencies.get(point.derived, ()),
        }

    own, *derived = points
    return TrialDetail(
        **fields(own),
        study=row.study,
        flops_before_cut=row.flops_before_cut,
        epochs=tuple(_epoch_point(epoch) for epoch in epochs),
        seed=row.seed,
        environment=row.environment or {},
        device=row.device or "",
        peak_memory_mib=row.peak_memory_mib,
        attempts=row.attempts,
        derived=tuple(PointDetail(**fields(point)) for point in derived),
    )


def _epoch_point(row: EpochRow) -> EpochPoint:
    return EpochPoint(
        epoch=row.epoch,
        phase=row.phase,
        losses=_curve_values(row.losses),
        metrics=_curve_values(row.metrics),
        delta_mtl=row.delta_mtl,
        flops=row.flops,
    )


def _curve_values(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
