"""Numbers as people read them on a terminal."""

_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K"))


def format_flops(flops: float) -> str:
    """``168.9K``, ``1.23G``: FLOPs at 2 per multiply-add."""
    for size, unit in _UNITS:
        if flops >= size:
            return f"{flops / size:.4g}{unit}"
    return f"{flops:.0f}"


def format_share(flops: float, whole: int) -> str:
    """``45.0%`` of a whole."""
    return f"{100 * flops / whole:.1f}%"


def format_signed(value: float | None) -> str:
    """``+1.20`` or ``-3.41``; a dash for nothing."""
    return "–" if value is None else f"{value:+.2f}"


def format_interval(value: float | None, half_width: float | None) -> str:
    """``-1.60 ± 0.42``; without the interval where there is none."""
    return format_signed(value) if half_width is None else f"{format_signed(value)} ± {half_width:.2f}"


def format_latency(milliseconds: float | None) -> str:
    """``3.21 ms``: three digits, as two measurements agree on no more; a dash for nothing."""
    return "–" if milliseconds is None else f"{milliseconds:.3g} ms"


def format_duration(seconds: float | None) -> str:
    """``42 s``, ``3 min 20 s``, ``2 h 05 min``; a dash for nothing."""
    if seconds is None:
        return "–"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def format_bytes(num_bytes: int) -> str:
    """``1.5 GiB``, ``640 KiB``."""
    for size, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}"
    return f"{num_bytes} B"
