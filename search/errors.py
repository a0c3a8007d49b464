"""Errors of a study: those that also are ``ValueError`` blame the input (exit 2), others the work (exit 1)."""

from gatefront.spaces.errors import GatefrontError


class StudyFileError(GatefrontError, ValueError):
    """The study file cannot be read, or a value in it breaks a rule."""


class DataChecksError(GatefrontError, ValueError):
    """The data can be read, and the doctor's checks of them fail."""


class ServerOptionError(GatefrontError, ValueError):
    """What was asked of a service cannot be asked so."""


class StudyNotFoundError(GatefrontError, ValueError):
    """No study, or no trial, of that name in the database."""


class StudyExistsError(GatefrontError, ValueError):
    """The database already holds a study of that name."""


class StoreError(GatefrontError, ValueError):
    """The database cannot be reached under the URL given, or holds a newer schema."""


class NoDatabaseError(StoreError):
    """There is no database file yet, so there is no study either."""


class PointLabelError(GatefrontError, ValueError):
    """What should name a trial or a point derived from one does not."""


class AmendmentError(GatefrontError, ValueError):
    """A study cannot be changed as asked."""


class LineageError(GatefrontError, ValueError):
    """A study cannot start from the earlier one that was named."""


class NothingToPullError(GatefrontError, RuntimeError):
    """The study has no finished trial that fits the request."""


class StudyBusyError(GatefrontError, RuntimeError):
    """Another driver holds the study."""


class LeaseLostError(GatefrontError, RuntimeError):
    """This driver was silent for so long that another one took the study over."""


class DriverFailedError(GatefrontError, RuntimeError):
    """The driver cannot go on: the database or Ray failed under it. What was stored is kept; `resume` goes on."""


class DriverRefusedError(GatefrontError, ValueError):
    """A driver that a service started ended at once, because what it was asked for cannot be."""


class ReferenceFailedError(GatefrontError, RuntimeError):
    """A reference network could not be trained, so no trial could be judged."""


class RefusedResultError(GatefrontError, RuntimeError):
    """A worker's result breaks a rule of the store; the trial is FAILED with this as its cause."""


class BenchError(GatefrontError, ValueError):
    """A latency cannot be measured as asked."""


class BundleError(GatefrontError, RuntimeError):
    """A bundle is incomplete, was changed, or does not do what its manifest says."""


class NotAllowedError(GatefrontError, RuntimeError):
    """The principal of a request may not do this."""


class TooManyError(GatefrontError, RuntimeError):
    """So much is under way already that no more is begun."""
