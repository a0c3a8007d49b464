"""CostAxis: a cost against which the front can be drawn, with its unit, its budget and the references' cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gatefront.search.results.formats import flop_unit, format_count, format_flops, format_latency
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.reference_point import ReferencePoint

AxisName = Literal["flops", "parameters", "latency"]
_COUNTS = ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAxis:
    """Cost axis of the front plot.

    A cost is shown divided by ``divisor``. ``budget`` is the study's own in whole units, or None if it has none.
    """

    name: AxisName
    title: str
    divisor: float
    budget: float | None

    def cost(self, point: TrialPoint) -> float | None:
        """Return FLOPs, parameters or milliseconds, or None if they were not measured."""
        match self.name:
            case "flops":
                return point.flops
            case "parameters":
                return point.num_parameters
            case "latency":
                return point.latency_ms

    def of_reference(self, reference: ReferencePoint) -> float | None:
        """Return a reference's cost. The latency is None, because references are not timed."""
        match self.name:
            case "flops":
                return reference.flops
            case "parameters":
                return reference.num_parameters
            case "latency":
                return None

    def written(self, cost: float | None) -> str:
        """Return the cost in words: ``1.215 MFLOPs``, ``31 500 parameters``, ``4.10 ms``."""
        match self.name:
            case "flops":
                return format_flops(cost)
            case "parameters":
                return f"{format_count(None if cost is None else round(cost))} parameters"
            case "latency":
                return format_latency(cost)


def cost_axis(view: StudyView, name: AxisName) -> CostAxis:
    """Return the axis of that name for a study."""
    if name == "latency":
        return CostAxis(name=name, title="Latency (ms)", divisor=1.0, budget=view.summary.budgets.latency_ms)
    if name == "parameters":
        largest = max((reference.num_parameters for reference in view.references), default=1)
        divisor, words = next((entry for entry in _COUNTS if largest >= entry[0]), (1.0, ""))
        return CostAxis(name=name, title=f"Parameters{words and f' ({words})'}", divisor=divisor, budget=None)
    unit = flop_unit(max(view.summary.single_task_flops, 1))
    title = f"FLOPs per image ({unit.name}, 2 per multiply-add)"
    return CostAxis(name="flops", title=title, divisor=unit.divisor, budget=view.summary.budgets.flops)


def axis_names(view: StudyView) -> Sequence[tuple[AxisName, str]]:
    """Return the axes that the study measures, with their labels."""
    names: list[tuple[AxisName, str]] = [("flops", "FLOPs"), ("parameters", "Parameters")]
    return [*names, ("latency", "Latency")] if view.summary.latency is not None else names
