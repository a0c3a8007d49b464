"""Listening on an address, and the host names that a request may carry."""

import ipaddress
import socket

from gatefront.dashboards.errors import AddressInUseError


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises `AddressInUseError` before anything else is set up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise AddressInUseError(
            f"--host {host} --port {port}: this address cannot be listened on ({error.strerror or error}).",
            hint="Choose another --port; 0 takes a free one.",
        ) from error


def allowed_hosts(host: str) -> list[str]:
    """Return the names under which the dashboards answer. On loopback these are only loopback's own."""
    # With brackets, as IPv6 addresses are written in URLs, and without.
    return ["127.0.0.1", "localhost", "[::1]", "::1", host] if is_loopback(host) else ["*"]


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
