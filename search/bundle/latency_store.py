"""A bundle's measured latencies, beside its trial in the database it was pulled from."""

from collections.abc import Iterable

from gatefront.search.bundle.manifest import Manifest
from gatefront.search.errors import NoDatabaseError, StudyNotFoundError
from gatefront.search.results.latency import Latency
from gatefront.search.results.records import TrialDetail
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.database.migrate import upgrade_schema
from gatefront.search.storage.study_store import StudyStore


def record_latency(url: str, manifest: Manifest, measured: Iterable[Latency]) -> str | None:
    """Write the measurements into the database at ``url`` if the bundle's network is known there.

    Returns:
        Why nothing was written, or None if it was.

    Raises:
        StoreError: there is a database, and it cannot be used.
    """
    if manifest.trial is None:
        return f"{manifest.origin} is no trial, and the database keeps latencies of trials alone."
    try:
        detail = StudyReader(url).trial(manifest.study, manifest.trial)
    except (StudyNotFoundError, NoDatabaseError) as error:
        return error.message
    # Names of studies repeat from one database to the next; what was trained from one seed to one cost does not.
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
