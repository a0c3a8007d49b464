"""Words on how far a bundle's Δ_MTL can be trusted: other seeds, and the test split."""

from gatefront.search.bundle.manifest import Manifest, ReferenceEntry
from gatefront.search.results.formats import format_delta, format_signed
from gatefront.search.results.split_figures import VALIDATION_ONLY


def sureness(manifest: Manifest) -> str:
    """Describe in words what other seeds reach on the validation split."""
    sure = manifest.confirmation
    if sure is None:
        return "not repeated: Δ_MTL is that of one seed"
    interval = f"{format_signed(sure.low)} to {format_delta(sure.high)}"
    return f"mean {format_delta(sure.mean)}, 95 % interval {interval} ({sure.seeds} seeds)"


def on_test(manifest: Manifest) -> str:
    """Describe in words what the network reaches on the test split, and the gap to the validation split."""
    if manifest.data.num_test == 0:
        return f"{VALIDATION_ONLY}: the data have no test split"
    if manifest.test_gap is None or manifest.test_delta_mtl is None:
        return f"{VALIDATION_ONLY}: not measured on the test split"
    found, sure = f"Δ_MTL {format_delta(manifest.test_delta_mtl)}", manifest.test_confirmation
    if sure is not None:
        interval = f"{format_signed(sure.low)} to {format_delta(sure.high)}"
        found += f"; with other seeds mean {format_delta(sure.mean)}, 95 % interval {interval}"
    return f"{found}; gap (test less validation) {format_signed(manifest.test_gap)} points"


def reference_on_test(reference: ReferenceEntry) -> str:
    """Return a reference's Δ_MTL on the test split, to follow that on the validation split; empty if not measured."""
    found = reference.test_delta_mtl
    return "" if found is None else f", on the test split {format_delta(found)}"
