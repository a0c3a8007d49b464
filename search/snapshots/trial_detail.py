"""trial_detail: everything known of one trial, from its rows."""

from collections.abc import Mapping, Sequence

from gatefront.search.results.latency import Latency
from gatefront.search.results.records import EpochPoint, PointDetail, TrialDetail, TrialPoint
from gatefront.search.storage.tables.schema import EpochRow, TrialRow
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.spaces.json_codec import from_json


def trial_detail(
    row: TrialRow,
    epochs: Sequence[EpochRow],
    *,
    own: TrialPoint,
    derived: Sequence[PointDetail],
    pull_command: str,
    latencies: tuple[Latency, ...],
) -> TrialDetail:
    result = row.result or {}
    return TrialDetail(
        study=row.study,
        point=own,
        delta_per_task=result.get("delta_per_task", {}),
        flops_before_cut=result.get("flops_before_cut"),
        gate_map=None if row.gate_map is None else from_json(GateMap, row.gate_map),
        epochs=tuple(_epoch_point(epoch) for epoch in epochs),
        seed=row.seed,
        environment=result.get("environment", {}),
        device=result.get("device", ""),
        train_flops=result.get("train_flops"),
        peak_memory_mib=result.get("peak_memory_mib"),
        attempts=row.attempts,
        pull_command=pull_command,
        derived=tuple(derived),
        latencies=latencies,
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
