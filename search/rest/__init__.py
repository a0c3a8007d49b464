"""The HTTP interface under ``/api/v1``: what the command line does, for programs of any kind.

:func:`gatefront.search.rest.app.create_rest` makes it, :class:`gatefront.search.rest.access.AccessGate` decides who may
use it.
"""
