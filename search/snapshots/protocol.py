"""Reader: what the dashboards ask of a study store. `gatefront.search.snapshots.reader.StudyReader` is the real one."""

from pathlib import Path
from typing import Protocol

from gatefront.search.results.comparison_table import ComparisonTable
from gatefront.search.results.gate_history import GateHistory
from gatefront.search.results.records import StudySummary, StudyView, TrialDetail
from gatefront.search.snapshots.study_status import StudyStatus
from gatefront.search.snapshots.system_status import SystemView
from gatefront.search.snapshots.trial_provenance import TrialProvenance


class Reader(Protocol):
    """Read-only access to studies; every call is short and safe beside a running driver."""

    def list_studies(self) -> tuple[StudySummary, ...]:
        """All studies, newest first."""
        ...

    def view(self, study: str) -> StudyView:
        """One consistent read of a study. Raises `StudyNotFoundError`."""
        ...

    def revision(self, study: str) -> str:
        """A cheap token that changes whenever anything shown of the study changes."""
        ...

    def trial(self, study: str, number: int) -> TrialDetail:
        """Everything known of one trial. Raises `StudyNotFoundError`."""
        ...

    def gate_course(self, study: str, number: int) -> GateHistory:
        """How a trial's gates stood after each of its epochs. Raises `StudyNotFoundError`."""
        ...

    def list_comparisons(self) -> tuple[str, ...]:
        """The names of all comparisons."""
        ...

    def comparison(self, name: str) -> ComparisonTable:
        """A comparison as far as it has come. Raises `StudyNotFoundError`."""
        ...

    def comparison_revision(self, name: str) -> str:
        """A cheap token that changes with every run of the comparison. Raises `StudyNotFoundError`."""
        ...

    def study_file(self, study: str) -> str:
        """The study file's TOML text as it was given."""
        ...

    def status(self, study: str) -> StudyStatus:
        """What decides which changes the study can take now. Raises `StudyNotFoundError`."""
        ...

    def trace(self, study: str, number: int) -> TrialProvenance:
        """Where a trial came from, where it ran and what it said there. Raises `StudyNotFoundError`."""
        ...

    def system(self) -> SystemView:
        """The database's health, and what drives and trains at the moment."""
        ...

    def network_path(self, study: str, number: int, derived: int = 0) -> Path:
        """Where a trained network lies. Raises `StudyNotFoundError`."""
        ...

    def cache_dir(self, study: str) -> Path:
        """Where the study's data are cached. Raises `StudyNotFoundError`."""
        ...
