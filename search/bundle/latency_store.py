"""Storage of a bundle's measured latencies, in its folder and beside its trial in the database."""

from collections.abc import Iterable
from pathlib import Path

from gatefront.search.bundle.card import write_card
from gatefront.search.bundle.file_names import CARD
from gatefront.search.bundle.manifest import Manifest, file_entry, write_manifest
from gatefront.search.errors import NoDatabaseError, StudyNotFoundError
from gatefront.search.results.latency import Latency
from gatefront.search.results.records import TrialDetail
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.database.migrate import upgrade_schema
from gatefront.search.storage.study_store import StudyStore
from gatefront.trainer.checkpoints.atomic_file import replacing


def record_latency(url: str, manifest: Manifest, measured: Iterable[Latency]) -> str | None:
    """Write the measurements into the database at ``url`` if it holds the bundle's network.

    Returns:
        The reason why nothing was written. None means that the measurements were written.

    Raises:
        StoreError: there is a database, and it cannot be used.
    """
    if manifest.trial is None:
        return f"{manifest.origin} is no trial, and the database keeps latencies of trials alone."
    try:
        detail = StudyReader(url).trial(manifest.study, manifest.trial)
    except (StudyNotFoundError, NoDatabaseError) as error:
        return error.message
    # Two databases may hold studies of the same name. Seed, FLOPs and Δ_MTL identify the network.
    if not _is_known(detail, manifest):
        return f"trial {manifest.label} of study {manifest.study!r} there is another network than this one."
    engine = open_engine(url)
    upgrade_schema(engine)
    StudyStore(engine, manifest.study).record_latencies(manifest.trial, manifest.derived, measured)
    engine.dispose()
    return None


def _is_known(detail: TrialDetail, manifest: Manifest) -> bool:
    if detail.seed != manifest.seed:
        return False
    points = {network.point.derived: network.point for network in detail.networks}
    point = points.get(manifest.derived)
    return point is not None and point.flops == manifest.flops.value and point.delta_mtl == manifest.delta_mtl


def keep_latency(folder: Path, manifest: Manifest, measured: Iterable[Latency]) -> Manifest:
    """Add measurements to the bundle, and return its new manifest.

    A measurement replaces an earlier one of the same setting. Only the card and the manifest change, so the bundle
    still verifies.
    """
    by_setting = {latency.setting: latency for latency in (*manifest.latency, *measured)}
    kept = manifest.model_copy(update={"latency": tuple(by_setting.values())})
    with replacing(folder / CARD) as card:
        card.write_text(write_card(kept))
        card.chmod((folder / CARD).stat().st_mode)
    kept = kept.model_copy(update={"files": kept.files | {CARD: file_entry(folder / CARD)}})
    write_manifest(kept, folder)
    return kept
