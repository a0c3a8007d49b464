"""create_service: pages and REST of one study store as one ASGI application, with one check of access."""

from collections.abc import Sequence

from starlette.middleware.trustedhost import TrustedHostMiddleware

from gatefront.dashboards.server.app import create_app
from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.service.control.study_control import StudyControl
from gatefront.search.service.rest.app import create_rest
from gatefront.search.service.rest.asgi import Asgi, Receive, Scope, Send
from gatefront.search.service.rest.auth.authorized_control import AuthorizedControl
from gatefront.search.service.rest.auth.middleware import AccessMiddleware
from gatefront.search.service.rest.auth.tokens import Tokens
from gatefront.search.snapshots.reader import StudyReader

_REST = ("/api/", "/metrics", "/healthz")


def create_service(
    reader: StudyReader,
    control: StudyControl,
    jobs: BundleJobs,
    tokens: Tokens,
    *,
    allowed_hosts: Sequence[str] = ("*",),
) -> Asgi:
    """Create the application that answers for `gatefront serve`. Without ``tokens`` every caller may do everything.

    Requests that name another host than the ``allowed_hosts`` are refused before any other check.
    """
    pages = create_app(reader, AuthorizedControl(control), allowed_hosts=allowed_hosts, bundles=jobs)
    inner = ByPath(create_rest(reader, control, jobs), pages.server)
    return TrustedHostMiddleware(AccessMiddleware(inner, tokens), allowed_hosts=list(allowed_hosts))


class ByPath:
    """ASGI application that sends requests of REST to one application, and all others to the pages."""

    def __init__(self, rest: Asgi, pages: Asgi) -> None:
        self._rest = rest
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_rest = scope["type"] == "http" and scope["path"].startswith(_REST)
        await (self._rest if is_rest else self._pages)(scope, receive, send)
