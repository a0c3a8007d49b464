"""Downloads of a page, at plain GET addresses, so that the browser itself saves them."""

from urllib.parse import unquote

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from gatefront.dashboards.widgets.links import DOWNLOADS
from gatefront.dashboards.widgets.polling import UNREACHABLE
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.snapshots.protocol import Reader


def add_downloads(server: FastAPI, reader: Reader, bundles: BundleJobs | None) -> None:
    """Serve the report of each study, and each bundle that was packed."""

    # Not `async`: FastAPI runs them in a thread of their own, and drawing a report takes a second.
    @server.get(f"{DOWNLOADS}report/{{study}}", include_in_schema=False)
    def report(study: str) -> Response:
        return report_response(reader, unquote(study))

    @server.get(f"{DOWNLOADS}bundle/{{job}}", include_in_schema=False)
    def bundle(job: str) -> Response:
        found = None if bundles is None else bundles.find(job)
        path = None if found is None else found.path
        if path is None or not path.is_file():
            return PlainTextResponse("This bundle is not kept any more. Pack it again on its trial's page.", 404)
        return FileResponse(path, media_type="application/zip", filename=path.name)


def report_response(reader: Reader, study: str) -> Response:
    """Return the report as a file to save, 404 for an unknown study, or 503 if the database cannot be reached."""
    from gatefront.dashboards.report import study_report

    try:
        document = study_report(reader, study)
    except StudyNotFoundError as error:
        return PlainTextResponse(str(error), 404)
    except UNREACHABLE as error:
        return PlainTextResponse(f"The report cannot be drawn now: {error}", 503)
    return HTMLResponse(document, headers={"Content-Disposition": f'attachment; filename="{study}-report.html"'})
