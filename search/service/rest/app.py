"""create_rest: the HTTP interface for one study store, as an ASGI application."""

from importlib.metadata import version

from fastapi import FastAPI

from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.service.control.study_control import StudyControl
from gatefront.search.service.rest.asgi import PREFIX
from gatefront.search.service.rest.problem_details import add_problems
from gatefront.search.service.rest.response_cache import ForgetAfterChanges, ResponseCache
from gatefront.search.service.rest.routes.bundles import bundle_routes
from gatefront.search.service.rest.routes.metrics import metrics_routes
from gatefront.search.service.rest.routes.read import reading_routes
from gatefront.search.service.rest.routes.write import changing_routes
from gatefront.search.snapshots.reader import StudyReader


def create_rest(reader: StudyReader, control: StudyControl, jobs: BundleJobs) -> FastAPI:
    """Create the routes under ``/api/v1``, ``/metrics`` and ``/healthz``. ``/api/v1/openapi.json`` describes them.

    The :class:`~gatefront.search.service.rest.auth.middleware.AccessMiddleware` in front decides who may use them.
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
    cache = ResponseCache()
    app.add_middleware(ForgetAfterChanges, cache=cache)
    app.include_router(reading_routes(reader, cache), prefix=PREFIX)
    app.include_router(changing_routes(control, reader), prefix=PREFIX)
    app.include_router(bundle_routes(reader, jobs), prefix=PREFIX)
    app.include_router(metrics_routes(reader, cache))
    return app
