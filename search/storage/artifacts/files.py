"""The files of a study's trials, and what each is for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gatefront.search.results.confirmation import Key
from gatefront.search.storage.artifacts.paths import StudyFolders

_NETWORK = re.compile(r"network\.pt|derived-(\d+)\.pt")
# Beside checkpoints, also of LOMT's sparse networks: what the second phase starts from, finished derived points, and
# what a killed worker left half.
_RESUME = re.compile(r"(?:checkpoint|sparse-.+)-\d+-[0-9a-f]+\.pt|learned\.pt|derived-\d+\.json|\..*\.(?:pt|json)-\w+")


class FileKind(StrEnum):
    """NETWORK: a point's trained network. RESUME_POINT: what an interrupted trial goes on from."""

    NETWORK = "network"
    RESUME_POINT = "resume point"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFile:
    """``key`` is the trial's number and the point that a network is of: 0 is the trial's own, derived ones from 1."""

    path: Path
    kind: FileKind
    key: Key
    num_bytes: int


def trial_files(folders: StudyFolders) -> Iterator[TrialFile]:
    """Every file of every trial, in order of the trials."""
    trials = folders.trial(0).parent
    if not trials.is_dir():
        return
    numbers = sorted(int(folder.name) for folder in trials.iterdir() if folder.name.isdecimal())
    for number in numbers:
        yield from files_of_trial(folders, number)


def files_of_trial(folders: StudyFolders, number: int) -> Iterator[TrialFile]:
    """One trial's files; none if it has not begun. A file that goes away meanwhile is passed over."""
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
