"""The files of a study's trials, with the kind of each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gatefront.search.results.confirmation import Key
from gatefront.search.storage.artifacts.paths import StudyFolders

_NETWORK = re.compile(r"network\.pt|derived-(\d+)\.pt")
# Resume points are checkpoints, also of LOMT's sparse networks, the network from which the second phase starts,
# finished derived points, and partial files of a killed worker.
_RESUME = re.compile(r"(?:checkpoint|sparse-.+)-\d+-[0-9a-f]+\.pt|learned\.pt|derived-\d+\.json|\..*\.(?:pt|json)-\w+")


class FileKind(StrEnum):
    """Kind of a file. NETWORK is a point's trained network. RESUME_POINT lets an interrupted trial resume."""

    NETWORK = "network"
    RESUME_POINT = "resume point"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFile:
    """File of a trial. ``key`` is the trial's number and the index of the network's point.

    Index 0 is the trial's own point, and derived ones count from 1.
    """

    path: Path
    kind: FileKind
    key: Key
    num_bytes: int


def trial_files(folders: StudyFolders) -> Iterator[TrialFile]:
    """Yield every file of every trial, in order of the trials."""
    trials = folders.trial(0).parent
    if not trials.is_dir():
        return
    numbers = sorted(int(folder.name) for folder in trials.iterdir() if folder.name.isdecimal())
    for number in numbers:
        yield from files_of_trial(folders, number)


def files_of_trial(folders: StudyFolders, number: int) -> Iterator[TrialFile]:
    """Yield one trial's files; none if it has not begun. Skip files that are deleted meanwhile."""
    folder = folders.trial(number)
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        try:
            num_bytes = path.stat().st_size
        except FileNotFoundError:
            continue
        kind, derived = _classify(path.name)
        yield TrialFile(path=path, kind=kind, key=(number, derived), num_bytes=num_bytes)


def _classify(name: str) -> tuple[FileKind, int]:
    network = _NETWORK.fullmatch(name)
    if network is not None:
        return FileKind.NETWORK, int(network[1] or 0)
    return (FileKind.RESUME_POINT if _RESUME.fullmatch(name) else FileKind.OTHER), 0
