"""The HTTP interface under ``/api/v1``: what the command line does, for programs of any kind.

:func:`gatefront.search.service.rest.app.create_rest` makes it,
:class:`gatefront.search.service.rest.auth.middleware.AccessGate` decides who may use it.
"""
