"""Measured latencies in a bundle: in its manifest and on its card, both sealed again."""

from collections.abc import Iterable
from pathlib import Path

from gatefront.search.bundle.card import write_card
from gatefront.search.bundle.file_names import CARD
from gatefront.search.bundle.manifest import Manifest, file_entry, write_manifest
from gatefront.search.results.latency import Latency
from gatefront.trainer.checkpoints.atomic_file import replacing


def keep_latency(folder: Path, manifest: Manifest, measured: Iterable[Latency]) -> Manifest:
    """Add measurements to the bundle; one of a setting measured before takes the earlier one's place.

    Nothing else in the folder changes, so that the bundle verifies as before.
    """
    by_setting = {latency.setting: latency for latency in (*manifest.latency, *measured)}
    kept = manifest.model_copy(update={"latency": tuple(by_setting.values())})
    with replacing(folder / CARD) as card:
        card.write_text(write_card(kept))
        card.chmod((folder / CARD).stat().st_mode)
    kept = kept.model_copy(update={"files": kept.files | {CARD: file_entry(folder / CARD)}})
    write_manifest(kept, folder)
    return kept
