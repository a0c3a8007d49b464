"""Bundles packed on demand: one at a time, in a folder that goes with the server."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from gatefront.dashboards.jobs.background import Jobs, JobState
from gatefront.search.results.point_label import PointLabel
from gatefront.search.snapshots.protocol import Reader

Pack = Callable[[Reader, str, PointLabel, Path, Callable[[str], None]], Path]


def pack_bundle(reader: Reader, study: str, label: PointLabel, folder: Path, progress: Callable[[str], None]) -> Path:
    """The zip of a network's bundle, in ``folder``."""
    # torch's exporters take seconds to import; who only looks at studies never needs them.
    from gatefront.search.bundle.archive import archive_bundle

    return archive_bundle(reader, study, label, folder, progress=progress)


class BundleJobs:
    """Packs bundles and knows where the packed ones lie; the oldest go when there are many."""

    def __init__(self, reader: Reader, pack: Pack = pack_bundle) -> None:
        self._reader = reader
        self._pack = pack
        # Exports are heavy, and torch's exporter is not made for several at a time.
        self._jobs = Jobs(at_once=1)
        self._home = tempfile.TemporaryDirectory(prefix="gatefront-bundles-", ignore_cleanup_errors=True)

    def start(self, study: str, label: PointLabel) -> str:
        """The name of the job that packs the bundle."""
        folder = Path(tempfile.mkdtemp(dir=self._home.name))

        def work(report: Callable[[str], None]) -> Path:
            return self._pack(self._reader, study, label, folder, report)

        return self._jobs.start(work, discard=lambda _result: shutil.rmtree(folder, ignore_errors=True))

    def look(self, job: str) -> JobState | None:
        return self._jobs.look(job)

    def path_of(self, job: str) -> Path | None:
        """The packed bundle; None for a job that is not done, has failed or is forgotten."""
        state = self._jobs.look(job)
        found = None if state is None else state.result
        return found if isinstance(found, Path) and found.is_file() else None
