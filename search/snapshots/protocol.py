"""Reader: the dashboards' interface to a study store.

`gatefront.search.snapshots.reader.StudyReader` implements it.
"""

from pathlib import Path
from typing import Protocol

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.results.comparison_table import ComparisonTable
from gatefront.search.results.gate_history import GateHistory
from gatefront.search.results.records import StudySummary, StudyView, TrialDetail
from gatefront.search.snapshots.study_status import StudyStatus
from gatefront.search.snapshots.system_status import SystemView
from gatefront.search.snapshots.trial_provenance import TrialProvenance


class Reader(Protocol):
    """Read-only access to studies. Every call is short and safe beside a running driver."""

    def list_studies(self) -> tuple[StudySummary, ...]:
        """Return all studies, newest first."""
        ...

    def view(self, study: str) -> StudyView:
        """Return one consistent read of a study. Raise `StudyNotFoundError`."""
        ...

    def revision(self, study: str) -> str:
        """Return a token, cheap to read, that changes whenever anything shown of the study changes."""
        ...

    def trial(self, study: str, number: int) -> TrialDetail:
        """Return everything known of one trial. Raise `StudyNotFoundError`."""
        ...

    def gate_history(self, study: str, number: int) -> GateHistory:
        """Return a trial's gates after each of its epochs. Raise `StudyNotFoundError`."""
        ...

    def list_comparisons(self) -> tuple[str, ...]:
        """Return the names of all comparisons."""
        ...

    def comparison(self, name: str) -> ComparisonTable:
        """Return the current table of a comparison. Raise `StudyNotFoundError`."""
        ...

    def comparison_revision(self, name: str) -> str:
        """Return a cheap token that changes with every run of the comparison. Raise `StudyNotFoundError`."""
        ...

    def study_file(self, study: str) -> str:
        """Return the study file's original TOML text."""
        ...

    def config(self, study: str) -> StudyConfig:
        """Return the configuration that the study runs with. Raise `StudyNotFoundError`."""
        ...

    def status(self, study: str) -> StudyStatus:
        """Return the facts that decide which changes the study allows now. Raise `StudyNotFoundError`."""
        ...

    def provenance(self, study: str, number: int) -> TrialProvenance:
        """Return a trial's origin, its worker and its log. Raise `StudyNotFoundError`."""
        ...

    def system(self) -> SystemView:
        """Return the database's health, and the drivers and workers that are active now."""
        ...

    def network_path(self, study: str, number: int, derived: int = 0) -> Path:
        """Return the path of a trained network. Raise `StudyNotFoundError`."""
        ...

    def cache_dir(self, study: str) -> Path:
        """Return the folder where the study's data are cached. Raise `StudyNotFoundError`."""
        ...
