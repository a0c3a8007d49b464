"""The HTTP interface under ``/api/v1``, which gives programs the functions of the command line.

:func:`gatefront.search.service.rest.app.create_rest` creates it.
:class:`gatefront.search.service.rest.auth.middleware.AccessMiddleware` decides who may use it.
"""
