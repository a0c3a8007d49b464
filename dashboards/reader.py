"""Reader: what the dashboards ask of a study store. `search.queries.StudyReader` is the real one."""

from typing import Protocol

from search.records import StudySummary, StudyView, TrialDetail


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

    def study_file(self, study: str) -> str:
        """The study file's TOML text as it was given."""
        ...
