"""DiskUse: the bytes that a study takes, by kind of file."""

import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gatefront.search.storage.artifacts.files import FileKind, trial_files
from gatefront.search.storage.artifacts.paths import StudyFolders


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """Bytes under the study's own folder, without the shared cache, and the ``free`` bytes of its disk.

    ``quota`` None means that the study may fill the disk.
    """

    networks: int
    resume_points: int
    other: int
    free: int
    quota: int | None = None

    @property
    def total(self) -> int:
        return self.networks + self.resume_points + self.other


def disk_use(folders: StudyFolders, quota: int | None = None) -> DiskUse:
    """Measure every file of the study. This takes some milliseconds per hundred trials."""
    found: Counter[FileKind] = Counter()
    for file in trial_files(folders):
        found[file.kind] += file.num_bytes
    trials = sum(found.values())
    return DiskUse(
        networks=found[FileKind.NETWORK],
        resume_points=found[FileKind.RESUME_POINT],
        other=folder_bytes(folders.trial(0).parent.parent) - trials + found[FileKind.OTHER],
        free=free_bytes(folders.storage),
        quota=quota,
    )


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the folder's disk. If the folder does not exist, the nearest existing parent counts."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(existing).free


def folder_bytes(folder: Path) -> int:
    """Return the total size of all files under ``folder``; 0 if it does not exist. Links are not followed.

    A file that is deleted meanwhile, like a running trial's checkpoint, counts as 0.
    """
    total = 0
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
