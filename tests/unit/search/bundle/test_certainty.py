"""Words on the test split: figures with their gap, and "validation only" wherever there are none."""

import pytest

from gatefront.search.bundle.certainty import on_test, reference_on_test
from gatefront.search.bundle.manifest import ConfirmationEntry, DataEntry, Manifest, ReferenceEntry

VAL = ConfirmationEntry(mean=-1.0, low=-2.0, high=0.0, seeds=3)
TEST = ConfirmationEntry(mean=-2.5, low=-4.0, high=-1.0, seeds=3)


def manifest(num_test: int, **fields: object) -> Manifest:
    """A manifest that holds no more than these words need."""
    data = DataEntry(
        name="d", fingerprint="", num_train=1, num_val=1, num_test=num_test, measured_on="validation split"
    )
    return Manifest.model_construct(data=data, delta_mtl=1.0, **fields)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (manifest(0), "validation only: the data have no test split"),
        (manifest(40), "validation only: not measured on the test split"),
        (manifest(40, test_delta_mtl=-0.5), "Δ_MTL −0.50 %; gap (test less validation) −1.50 points"),
        (
            manifest(40, test_delta_mtl=-0.5, confirmation=VAL, test_confirmation=TEST),
            "Δ_MTL −0.50 %; with other seeds mean −2.50 %, 95 % interval −4.00 to −1.00 %; "
            "gap (test less validation) −1.50 points",
        ),
        (
            manifest(40, test_delta_mtl=-0.5, confirmation=VAL),
            "Δ_MTL −0.50 %; gap (test less validation) −1.50 points",
        ),
    ],
)
def test_on_test_tells_figures_and_gap(found: Manifest, words: str) -> None:
    assert on_test(found) == words


def test_reference_on_test_follows_the_validation_figure() -> None:
    reference = ReferenceEntry(kind="hard_sharing", flops=1, delta_mtl=-3.0)
    assert reference_on_test(reference) == ""
    assert reference_on_test(reference.model_copy(update={"test_delta_mtl": -4.0})) == ", on the test split −4.00 %"
