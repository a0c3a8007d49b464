"""Errors of the dashboards."""

from gatefront.spaces.errors import GatefrontError


class AddressInUseError(GatefrontError, RuntimeError):
    """The dashboards cannot listen on the address they were given."""


class ReportError(GatefrontError, RuntimeError):
    """A report that cannot be written."""


class OpenAddressError(GatefrontError, ValueError):
    """Others could reach the service, and nobody would be asked who they are."""
