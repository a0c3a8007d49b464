"""Errors of a study: those that also are ``ValueError`` blame the input (exit 2), others the work (exit 1)."""

from spaces.errors import GatefrontError


class StudyFileError(GatefrontError, ValueError):
    """The study file cannot be read, or a value in it breaks a rule."""


class StudyNotFoundError(GatefrontError, ValueError):
    """No study, or no trial, of that name in the database."""


class NothingToPullError(GatefrontError, RuntimeError):
    """The study has no finished trial that fits the request."""


class StudyBusyError(GatefrontError, RuntimeError):
    """Another driver holds the study."""


class BundleError(GatefrontError, RuntimeError):
    """A bundle is incomplete, was changed, or does not do what its manifest says."""
