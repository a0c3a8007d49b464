"""create_app: the dashboards of one study store, wired and ready to serve."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dash import Dash
from fastapi import FastAPI
from fastapi.middleware.trustedhost import TrustedHostMiddleware

from gatefront.dashboards.server.deep_links import DeepLinks
from gatefront.dashboards.server.downloads import add_downloads
from gatefront.dashboards.server.page_shell import frame
from gatefront.dashboards.server.router import register_pages
from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.service.control.study_control import StudyControl
from gatefront.search.snapshots.protocol import Reader

_ASSETS = Path(__file__).parents[1] / "assets"
_LOG = logging.getLogger(__name__)

_INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    <link rel="icon" href="/assets/logo.svg" type="image/svg+xml">
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


def create_app(
    reader: Reader,
    control: StudyControl | None = None,
    *,
    allowed_hosts: Sequence[str] = ("*",),
    bundles: BundleJobs | None = None,
) -> Dash:
    """Create a Dash app on FastAPI that shows the studies of ``reader``. ``app.server`` is the ASGI application.

    Nothing is loaded from another host, because every script and style comes from the installed packages. ``/healthz``
    answers without touching the store.

    Args:
        reader: the source of the studies.
        control: the control with which pages start and change studies. With None they only show them.
        allowed_hosts: the host names that a request may carry. Requests that name another host are refused, because a
            foreign web page could otherwise point its own name at a loopback address and read along.
        bundles: the jobs that pack the zip of a network's bundle. With None no zip is offered.
    """
    # FastAPI's own documentation pages would fetch their scripts from elsewhere.
    server = FastAPI(title="gatefront", docs_url=None, redoc_url=None, openapi_url=None)
    app = Dash(
        "gatefront",
        server=server,  # type: ignore[arg-type]  # Dash takes an ASGI app here; its signature says less
        pages_folder="",
        use_pages=False,
        assets_folder=str(_ASSETS),
        serve_locally=True,
        index_string=_INDEX,
        title="gatefront",
        update_title="",
        suppress_callback_exceptions=True,
        health_endpoint="healthz",
        enable_mcp=False,
        on_error=_log_and_raise,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.layout = frame(can_act=control is not None)
    register_pages(app, reader, control, bundles)
    add_downloads(server, reader, bundles)
    server.add_middleware(DeepLinks)
    server.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))
    return app


def _log_and_raise(error: Exception) -> None:
    # Dash's FastAPI backend answers 500 and says nothing anywhere.
    _LOG.error("A page could not be updated.", exc_info=error)
    raise error
