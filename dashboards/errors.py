"""Errors of the dashboards."""

from gatefront.spaces.errors import GatefrontError


class AddressInUseError(GatefrontError, RuntimeError):
    """Error of an address on which the dashboards cannot listen."""


class ReportError(GatefrontError, RuntimeError):
    """Error of a report that cannot be written."""


class OpenAddressError(GatefrontError, ValueError):
    """Error of a service that others could reach without being asked who they are."""
