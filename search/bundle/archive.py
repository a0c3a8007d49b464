"""A bundle as one zip file, for people who download it."""

import shutil
import zipfile
from pathlib import Path

from gatefront.search.bundle.pull import pull_bundle, silent
from gatefront.search.bundle.source import Progress
from gatefront.search.results.point_label import PointLabel
from gatefront.search.snapshots.protocol import Reader

PACKING = "packing the zip"
"""Name of the step that follows those of the pull."""


def archive_bundle(reader: Reader, study: str, trial: PointLabel, folder: Path, *, progress: Progress = silent) -> Path:
    """Pull the network of ``trial`` and pack it into ``folder/STUDY-TRIAL.zip``.

    The zip holds one folder, ``STUDY-TRIAL``.

    Raises:
        NothingToPullError, BundleError: as :func:`~gatefront.search.bundle.pull.pull_bundle` does. No file is left
            then.
    """
    bundle = folder / f"{study}-{trial}"
    path = folder / f"{bundle.name}.zip"
    pull_bundle(reader, study, trial=trial, output=bundle, progress=progress)
    try:
        progress(PACKING)
        _pack(bundle, path)
    finally:
        shutil.rmtree(bundle)
    return path


def _pack(bundle: Path, path: Path) -> None:
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(bundle.iterdir()):
            archive.write(file, f"{bundle.name}/{file.name}")
    partial.rename(path)
