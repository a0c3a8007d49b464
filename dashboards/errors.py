"""Errors of the dashboards."""

from spaces.errors import GatefrontError


class ReportError(GatefrontError, RuntimeError):
    """A report that cannot be written."""
