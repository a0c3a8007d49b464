"""create_rest: the HTTP interface for one study store, as an ASGI application."""

from importlib.metadata import version

from fastapi import FastAPI

from gatefront.search.control.contract import StudyControl
from gatefront.search.queries import StudyReader
from gatefront.search.rest.bundle_jobs import BundleJobs
from gatefront.search.rest.bundles import bundle_routes
from gatefront.search.rest.changes import changing_routes
from gatefront.search.rest.metrics import metrics_routes
from gatefront.search.rest.paths import PREFIX
from gatefront.search.rest.problems import add_problems
from gatefront.search.rest.reading import reading_routes
from gatefront.search.rest.replies import ForgetAfterChanges, Replies


def create_rest(reader: StudyReader, control: StudyControl, jobs: BundleJobs) -> FastAPI:
    """Routes under ``/api/v1``, ``/metrics`` and ``/healthz``; what they are is said by ``/api/v1/openapi.json``.

    Who may ask is decided by :class:`~gatefront.search.rest.access.AccessGate` in front of it.
    """
    app = FastAPI(
        title="gatefront",
        version=version("gatefront"),
        summary="Studies: start, watch, change, and take networks away.",
        openapi_url=f"{PREFIX}/openapi.json",
        # FastAPI's own documentation pages would fetch their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    add_problems(app)
    replies = Replies()
    app.add_middleware(ForgetAfterChanges, replies=replies)
    app.include_router(reading_routes(reader, replies), prefix=PREFIX)
    app.include_router(changing_routes(control, reader), prefix=PREFIX)
    app.include_router(bundle_routes(reader, jobs), prefix=PREFIX)
    app.include_router(metrics_routes(reader, replies))
    return app
