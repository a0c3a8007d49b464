"""Formats of numbers, times and names for people: units, signs and durations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MINUS = "\u2212"
NONE = "\u2013"
_SCALES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SIZES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_DURATIONS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
_LONGEST_NAME = 28
_KNOWN_UNITS = {"%": "%", "m": "m", "deg": "°"}


@dataclass(frozen=True, slots=True)
class FlopUnit:
    """Unit for FLOPs: ``value / divisor`` is shown with ``name``."""

    name: str
    divisor: float


def flop_unit(largest: float) -> FlopUnit:
    """Return the unit in which the largest of several FLOP counts has one to three digits before the point."""
    divisor, prefix = _scale(largest)
    return FlopUnit(f"{prefix}FLOPs", divisor)


def format_flops(flops: float | None) -> str:
    """Format FLOPs as ``1.215 MFLOPs``: four significant digits, at 2 FLOPs per multiply-add."""
    return NONE if flops is None else f"{_scaled(flops)} {flop_unit(flops).name}"


def format_amount(amount: float | None) -> str:
    """Format FLOPs or parameters as ``1.215M``, as a study file writes budgets, if a heading names the unit."""
    return NONE if amount is None else f"{_scaled(amount)}{_scale(amount)[1]}"


def format_share(part: float | None, whole: float) -> str:
    """Format a part of the single-task cost as ``44.8 %``."""
    return NONE if part is None or whole <= 0 else f"{100 * part / whole:.1f} %"


def format_delta(delta: float | None, half_width: float | None = None) -> str:
    """Format Δ_MTL and its terms as ``+1.23 %`` or ``−4.50 ± 0.42 %``: always signed, with half of an interval."""
    return NONE if delta is None else f"{format_signed(delta, half_width)} %"


def format_signed(value: float | None, half_width: float | None = None) -> str:
    """Format a number as ``+1.20``, ``−3.41`` or ``−1.60 ± 0.42``; None is a dash."""
    if value is None:
        return NONE
    sign = "+" if round(value, 2) > 0 else MINUS if round(value, 2) < 0 else "±"
    return f"{sign}{abs(value):.2f}" + ("" if half_width is None else f" ± {half_width:.2f}")


def format_metric(value: float | None, label: str) -> str:
    """Format a metric's value with the unit at the end of its label: ``93.1 %``, ``0.412 m``, ``21.30 °``."""
    if value is None:
        return NONE
    unit = metric_unit(label)
    number = f"{value:.3f}" if unit in ("m", "") else f"{value:.2f}"
    return f"{number} {unit}".strip()


def metric_name(label: str) -> str:
    """Return the label without its unit: ``accuracy`` of ``accuracy %``."""
    name, _, unit = label.rpartition(" ")
    return name if unit in _KNOWN_UNITS and name else label


def metric_unit(label: str) -> str:
    """Return a label's unit: ``%`` of ``accuracy %``, ``°`` of ``mean angle deg``; empty if it has none."""
    return _KNOWN_UNITS.get(label.rpartition(" ")[2], "")


def format_count(number: int | None) -> str:
    """Format a count as ``12 345``, with thin spaces."""
    return NONE if number is None else f"{number:,}".replace(",", "\u202f")


def format_latency(milliseconds: float | None) -> str:
    """Format a latency as ``3.21 ms``: three digits, as two measurements agree on no more. None is a dash."""
    return NONE if milliseconds is None else f"{milliseconds:.3g} ms"


def format_bytes(number: int) -> str:
    """Format a size as ``512 B``, ``1.3 MiB`` or ``20.3 GiB``, in powers of 1024, as quotas are written."""
    for size, name in _SIZES:
        if number >= size:
            return f"{number / size:.1f} {name}"
    return f"{number} B"


def format_duration(seconds: float | None) -> str:
    """Format a duration as ``42 s``, ``3 min 20 s``, ``2 h 5 min`` or ``3 d 4 h``."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    for size, name, smaller_size, smaller_name in _DURATIONS:
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"


def format_time(moment: datetime | None) -> str:
    """Format a time as ``2026-03-01 14:03:20 UTC``. A time without a zone is taken as UTC."""
    if moment is None:
        return NONE
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{aware.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def shorten_name(name: str) -> str:
    """Shorten a name for an axis, a legend or a table's head. A long name loses its middle."""
    if len(name) <= _LONGEST_NAME:
        return name
    end = (_LONGEST_NAME - 1) // 2
    return f"{name[: _LONGEST_NAME - 1 - end]}…{name[-end:]}"


def format_names(names: Sequence[str]) -> str:
    """Join names as ``left, right and orientation``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def format_value(value: object) -> str:
    """Format a parameter or setting: floats with four significant digits, others unchanged."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _scaled(value: float) -> str:
    divisor, _ = _scale(value)
    scaled = value / divisor
    decimals = 0 if divisor == 1 else 1 if scaled >= 100 else 2 if scaled >= 10 else 3
    return f"{scaled:.{decimals}f}"


def _scale(largest: float) -> tuple[float, str]:
    return next(((divisor, prefix) for divisor, prefix in _SCALES if largest >= divisor), (1.0, ""))
