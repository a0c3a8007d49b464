"""Comparison of a metric with that of a constant prediction, from the two numbers alone."""

_BY_CHANCE = 1e-6  # relative: two roundings of one number are no difference


def beats_constant(value: float, constant: float, *, higher_is_better: bool) -> bool:
    """Return whether a metric is better than the best constant prediction's, by more than rounding."""
    gain = value - constant if higher_is_better else constant - value
    return gain > _BY_CHANCE * abs(constant)
