"""DeepLinks: ASGI middleware that answers every page's address with the one HTML page."""

from gatefront.dashboards.widgets.links import DOWNLOADS
from gatefront.search.service.rest.asgi import Asgi, Receive, Scope, Send

_NOT_PAGES = ("/_", "/assets/", "/healthz", DOWNLOADS)


class DeepLinks:
    """Middleware that serves ``/`` for addresses such as ``/study/digits``, so that a first request may be a deep link.

    Dash 4.4's own catch-all on FastAPI leaves out styles and scripts until ``/`` was requested once, and belongs to the
    app that was made last.
    """

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["method"] == "GET" and not scope["path"].startswith(_NOT_PAGES)
        if is_page:
            scope = {**scope, "path": "/", "raw_path": b"/"}
        await self._app(scope, receive, send)
