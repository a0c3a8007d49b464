"""Errors of a study. Those that also are ``ValueError`` blame the input (exit 2), others the work (exit 1)."""

from gatefront.spaces.errors import GatefrontError


class StudyFileError(GatefrontError, ValueError):
    """Error for a study file that cannot be read or has a value that breaks a rule."""


class DataChecksError(GatefrontError, ValueError):
    """Error for data that can be read but fail the doctor's checks."""


class ServerOptionError(GatefrontError, ValueError):
    """Error for options that a service cannot be started with."""


class StudyNotFoundError(GatefrontError, ValueError):
    """Error for a study or trial that is not in the database."""


class StudyExistsError(GatefrontError, ValueError):
    """Error for a new study whose name is in the database already."""


class StoreError(GatefrontError, ValueError):
    """Error for a database that cannot be reached under the URL given, or holds a newer schema."""


class NoDatabaseError(StoreError):
    """Error for a database file that does not exist yet, so there is no study either."""


class PointLabelError(GatefrontError, ValueError):
    """Error for a text that does not name a trial or a point derived from one."""


class AmendmentError(GatefrontError, ValueError):
    """Error for a change that a study does not allow."""


class LineageError(GatefrontError, ValueError):
    """Error for an earlier study that cannot warm-start a new one."""


class NothingToPullError(GatefrontError, RuntimeError):
    """Error for a study without a finished trial that fits the request."""


class StudyBusyError(GatefrontError, RuntimeError):
    """Error for a study that another driver holds."""


class LeaseLostError(GatefrontError, RuntimeError):
    """Error for a driver that was silent for so long that another one took over its study."""


class DriverFailedError(GatefrontError, RuntimeError):
    """Error for a driver whose database or Ray failed. Stored results remain, and `resume` continues the study."""


class DriverRefusedError(GatefrontError, ValueError):
    """Error for a driver of a service that ended at once because its request is not possible."""


class ReferenceFailedError(GatefrontError, RuntimeError):
    """Error for a reference network that could not be trained, so no trial could be judged."""


class RefusedResultError(GatefrontError, RuntimeError):
    """Error for a worker's result that breaks a rule of the store. Its trial is FAILED with this as its cause."""


class BenchError(GatefrontError, ValueError):
    """Error for a latency that cannot be measured as requested."""


class BundleError(GatefrontError, RuntimeError):
    """Error for a bundle that is incomplete, was changed, or does not do what its manifest states."""


class NotAllowedError(GatefrontError, RuntimeError):
    """Error for a request whose principal lacks the right to make it."""


class TooManyError(GatefrontError, RuntimeError):
    """Error for a request that has to wait because too many others are in progress."""
