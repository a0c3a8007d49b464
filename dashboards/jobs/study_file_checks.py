"""StudyFileChecks: checks of study files. A study starts only after the doctor has checked that very text."""

import hashlib
from dataclasses import asdict, replace

from gatefront.dashboards.jobs.background import Jobs, JobState, Report
from gatefront.search.errors import StudyFileError
from gatefront.search.service.control.study_control import StartOptions, StudyControl


class StudyFileChecks:
    """Checks and starts of studies in the background, two at once, because the doctor trains for a moment."""

    def __init__(self, control: StudyControl) -> None:
        self._control = control
        self._jobs = Jobs(at_once=2)

    def examine(self, text: str, options: StartOptions) -> str:
        """Start a check of a study file and return the job's name. The job's reports are the doctor's checks."""

        def work(report: Report) -> str:
            for check in self._control.examine(text, options):
                report(check)
            return digest(text, options)

        return self._jobs.start(work)

    def start(self, examination: str, text: str, options: StartOptions, *, actor: str, is_forced: bool = False) -> str:
        """Start a job that starts the study.

        Args:
            examination: the name of the doctor's job.
            text: the study file.
            options: the options beside the file.
            actor: the person who starts it.
            is_forced: start although checks have failed.

        Returns:
            The name of the job, whose result is the study's name.

        Raises:
            StudyFileError: the doctor has not checked this text with these options, or has found a fault in it and
                the start is not forced.
        """
        if not self.is_of(examination, text, options):
            raise StudyFileError("the study file was not checked as it stands.", hint="Check it again.")
        if not is_forced and not self.has_passed(examination, text, options):
            raise StudyFileError("not every check of the study file has passed.", hint="Correct it, or start anyway.")
        options = replace(options, force=is_forced)
        return self._jobs.start(lambda _report: self._control.start(text, options, actor=actor))

    def has_passed(self, examination: str, text: str, options: StartOptions) -> bool:
        """Return True if that examination was of this very text and found nothing."""
        state = self._jobs.look(examination)
        return self.is_of(examination, text, options) and state is not None and not failed_checks(state)

    def is_of(self, examination: str, text: str, options: StartOptions) -> bool:
        """Return True if that examination was of this very text and has ended."""
        state = self._jobs.look(examination)
        return state is not None and state.is_done and state.result == digest(text, options)

    def look(self, job: str) -> JobState | None:
        return self._jobs.look(job)


def failed_checks(examined: JobState) -> list[str]:
    """Return the names of the checks that have failed so far."""
    return [check.name for check in examined.reports if not check.passed]


def digest(text: str, options: StartOptions) -> str:
    """Return a token of the study file and its options."""
    return hashlib.sha256(repr((text, sorted(asdict(options).items()))).encode()).hexdigest()
