"""Words about figures on the test split, and on their gap to the validation split."""

from gatefront.search.results.best_point import front_points
from gatefront.search.results.formats import format_delta, format_signed
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.split_figures import VALIDATION_ONLY


def delta_on_test(point: TrialPoint) -> str:
    """Return ``−1.60 ± 0.42 %``: Δ_MTL on the test split, with the interval of repeats if there are any."""
    return format_delta(point.test_delta_mtl, point.test_half_width)


def on_test_text(view: StudyView, point: TrialPoint) -> str:
    """Return what a point reaches on the test split and the gap, or that it is measured on validation only."""
    if point.test_delta_mtl is None:
        return f"{VALIDATION_ONLY}: {'not measured on the test split' if view.has_test_split else 'no test split'}"
    return f"on the test split {delta_on_test(point)}, gap {format_signed(point.test_gap)} points"


def on_test_sentence(view: StudyView) -> str:
    """Return what the figures of the front on the test split are, or why there are none."""
    if not view.has_test_split:
        return f"All figures are {VALIDATION_ONLY}: the references have none of a test split."
    if all(point.test_delta_mtl is None for point in front_points(view)):
        return "No point is measured on the test split yet: repeated and pulled ones are."
    return "Test: of repeated and pulled points, which were chosen on validation alone. Gap: test less validation."
