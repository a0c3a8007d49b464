"""Garbage collection: find and remove the files of a study that retention does not keep."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from gatefront.search.results.records import StudyView
from gatefront.search.storage.artifacts.files import FileKind, TrialFile, trial_files
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.artifacts.retention import distant_networks, spent_files

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Files that are to be removed, or were."""

    files: tuple[TrialFile, ...]

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files)

    @property
    def num_networks(self) -> int:
        return sum(file.kind is FileKind.NETWORK for file in self.files)


def find_garbage(
    folders: StudyFolders, view: StudyView, *, networks: bool, later_studies: Iterable[str] = (), repeated: int = 0
) -> Garbage:
    """Return the files that retention does not keep. With ``networks`` include networks far from the front.

    ``repeated`` is the number of trials that the study repeats at its end, which the front may thereby lose.
    ``later_studies`` are those with a warm start from this one. If there are any, all networks stay, because their
    trials may start from any of them.
    """
    files = list(trial_files(folders))
    going = list(spent_files(files, {point.number: point.state for point in view.trials}))
    if networks and not tuple(later_studies):
        going += distant_networks(files, view, repeated=repeated)
    return Garbage(tuple(going))


def collect_garbage(garbage: Garbage) -> Garbage:
    """Remove the files. Return those that could be removed."""
    gone = []
    for file in garbage.files:
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s could not be removed: %s", file.path, error.strerror)
        else:
            gone.append(file)
    return Garbage(tuple(gone))
