"""Examinations: a study file is started only after the doctor has passed that very text."""

import hashlib
from dataclasses import asdict

from dashboards.jobs import Jobs, JobState, Report
from search.control.contract import StartOptions, StudyControl
from search.errors import StudyFileError


class Examinations:
    """The doctor and the start of studies, in the background. Two at once: the doctor trains for a moment."""

    def __init__(self, control: StudyControl) -> None:
        self._control = control
        self._jobs = Jobs(at_once=2)

    def examine(self, text: str, options: StartOptions) -> str:
        """Begin to look at a study file; the name of the job, whose reports are the doctor's checks."""

        def work(report: Report) -> str:
            passed = True
            for check in self._control.examine(text, options):
                report(check)
                passed = passed and check.passed
            return digest(text, options) if passed else ""

        return self._jobs.start(work)

    def start(self, examination: str, text: str, options: StartOptions, *, actor: str) -> str:
        """Begin to start the study; the name of the job, whose result is the study's name.

        Raises:
            StudyFileError: the doctor has not passed this text with these options.
        """
        if not self.has_passed(examination, text, options):
            raise StudyFileError("the study file was not checked as it stands.", hint="Check it again.")
        return self._jobs.start(lambda _report: self._control.start(text, options, actor=actor))

    def has_passed(self, examination: str, text: str, options: StartOptions) -> bool:
        """Whether that examination was of this very text and found nothing."""
        state = self._jobs.look(examination)
        return state is not None and state.is_done and state.result == digest(text, options)

    def look(self, job: str) -> JobState | None:
        return self._jobs.look(job)


def digest(text: str, options: StartOptions) -> str:
    """A token of what is to be started."""
    return hashlib.sha256(repr((text, sorted(asdict(options).items()))).encode()).hexdigest()
