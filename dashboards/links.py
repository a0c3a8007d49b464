"""Addresses: the one place that knows how a study or trial is spelt in a URL."""

import re
from urllib.parse import quote, unquote

STUDIES = "/"
_STUDY = re.compile(r"/study/([^/]+)/?")
_TRIAL = re.compile(r"/study/([^/]+)/trial/(\d{1,9})/?")


def study_path(study: str) -> str:
    return f"/study/{quote(study, safe='')}"


def trial_path(study: str, number: int) -> str:
    return f"{study_path(study)}/trial/{number}"


def parse_study(pathname: str) -> str | None:
    """The study's name from the address of its page; None for any other address."""
    match = _STUDY.fullmatch(pathname)
    return unquote(match[1]) if match else None


def parse_trial(pathname: str) -> tuple[str, int] | None:
    """Study and number from the address of a trial's page; None for any other address."""
    match = _TRIAL.fullmatch(pathname)
    return (unquote(match[1]), int(match[2])) if match else None
