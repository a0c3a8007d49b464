"""Addresses of pages: the one place that knows how a study or trial is spelled in a URL."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote

STUDIES = "/"
START = "/start"
SYSTEM = "/system"
DOWNLOADS = "/downloads/"
_POINT = "point"
_STUDY = re.compile(r"/study/([^/]+)/?")
_COMPARISON = re.compile(r"/comparison/([^/]+)/?")
_TRIAL = re.compile(r"/study/([^/]+)/trial/(\d{1,9})/?")


@dataclass(frozen=True, slots=True)
class TrialKey:
    """Key of the trial that a page shows, and of its network: 0 its own, otherwise the derived one of that index."""

    study: str
    number: int
    derived: int = 0


def study_path(study: str) -> str:
    return f"/study/{quote(study, safe='')}"


def report_path(study: str) -> str:
    """Return the address at which a study's report is downloaded."""
    return f"{DOWNLOADS}report/{quote(study, safe='')}"


def bundle_path(job: str) -> str:
    """Return the address at which the bundle that a job has packed is downloaded."""
    return f"{DOWNLOADS}bundle/{quote(job, safe='')}"


def comparison_path(name: str) -> str:
    return f"/comparison/{quote(name, safe='')}"


def trial_path(study: str, number: int, derived: int = 0) -> str:
    """Return the address of a trial's page, opened at its own network or at a point ``derived`` from it."""
    return f"{study_path(study)}/trial/{number}" + (f"?{_POINT}={derived}" if derived else "")


def parse_point(search: str | None) -> int:
    """Return the derived point in the query of a trial's address, or 0, the trial's own network, for anything else."""
    values = parse_qs((search or "").removeprefix("?")).get(_POINT, [""])
    return int(values[0]) if re.fullmatch(r"\d{1,9}", values[0], re.ASCII) else 0


def parse_study(pathname: str) -> str | None:
    """Return the study's name from the address of its page, or None for any other address."""
    match = _STUDY.fullmatch(pathname)
    return unquote(match[1]) if match else None


def parse_comparison(pathname: str) -> str | None:
    """Return the name from the address of a comparison's page, or None for any other address."""
    match = _COMPARISON.fullmatch(pathname)
    return unquote(match[1]) if match else None


def parse_trial(pathname: str) -> tuple[str, int] | None:
    """Return study and number from the address of a trial's page, or None for any other address."""
    match = _TRIAL.fullmatch(pathname)
    return (unquote(match[1]), int(match[2])) if match else None
