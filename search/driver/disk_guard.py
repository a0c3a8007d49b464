"""DiskGuard: keeps a running study within its disk quota."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.results.formats import format_bytes
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import TrialState
from gatefront.search.storage.artifacts.disk_usage import disk_use
from gatefront.search.storage.artifacts.files import files_of_trial
from gatefront.search.storage.artifacts.garbage_collection import Garbage, collect_garbage, find_garbage
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.artifacts.retention import spent_files

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 10.0
_PRESSURE = 0.8
"""Share of its quota from which on a study removes networks that are far from the front."""

_RESERVE = 64 * 2**20
"""Bytes of the disk that are kept free beyond what trials need, for logs and for a database on the same disk."""


@dataclass(kw_only=True)
class DiskGuard:
    """Guard that removes files of ended trials, and ends the study cleanly before its quota or its disk is full.

    ``quota`` is in bytes. None: there is no quota. ``trial_bytes`` is the most that a running trial takes,
    ``num_workers`` the number of trials at a time. ``repeated`` is the number of trials that get replicates at the
    study's end.
    """

    folders: StudyFolders
    view: Callable[[], StudyView]
    later_studies: Callable[[], tuple[str, ...]]
    stop_request: StopRequest
    quota: int | None
    trial_bytes: int
    num_workers: int
    repeated: int = 0
    clock: Callable[[], float] = time.monotonic
    _looked_at: float | None = field(default=None, init=False)

    def begin(self) -> None:
        """Remove the files that earlier sessions left."""
        collect_garbage(find_garbage(self.folders, self.view(), networks=False))

    def trial_ended(self, number: int, state: TrialState) -> None:
        """Remove the resume points of an ended trial."""
        collect_garbage(Garbage(tuple(spent_files(files_of_trial(self.folders, number), {number: state}))))

    def before_trial(self) -> None:
        """Ask for the study's end if another trial may not fit.

        The disk is examined at most every ten seconds.
        """
        now = self.clock()
        if self._looked_at is not None and now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        use, needed = disk_use(self.folders, self.quota), self.num_workers * self.trial_bytes
        if self.quota is not None and use.total + needed > _PRESSURE * self.quota:
            gone = collect_garbage(
                find_garbage(
                    self.folders,
                    self.view(),
                    networks=True,
                    later_studies=self.later_studies(),
                    repeated=self.repeated,
                )
            )
            if gone.files:
                logger.info("%s taken away, %d networks among it", format_bytes(gone.num_bytes), gone.num_networks)
            use = disk_use(self.folders, self.quota)
        if self.quota is not None and use.total + needed > self.quota:
            self.stop_request.request_once(
                f"disk_quota: {format_bytes(use.total)} of {format_bytes(self.quota)} are used and another trial "
                f"may take {format_bytes(self.trial_bytes)}"
            )
        elif use.free < needed + _RESERVE:
            self.stop_request.request_once(f"the disk of {self.folders.storage} has only {format_bytes(use.free)} left")
