"""Errors as ``application/problem+json`` (RFC 9457), each with its way out."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from gatefront.search.errors import (
    NotAllowedError,
    NothingToPullError,
    StoreError,
    StudyBusyError,
    StudyExistsError,
    StudyNotFoundError,
    TooManyError,
)
from gatefront.search.service.control.study_control import NotRunningError
from gatefront.spaces.errors import GatefrontError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Description of an error. ``hint`` says what to do, and is empty if there is nothing."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str
    hint: str = ""


_STATUS: tuple[tuple[type[GatefrontError], int], ...] = (
    (StudyNotFoundError, 404),
    (StudyExistsError, 409),
    (StudyBusyError, 409),
    (NotRunningError, 409),
    (NothingToPullError, 409),
    (NotAllowedError, 403),
    (TooManyError, 429),
    (StoreError, 503),
)

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": HTTPStatus(status).phrase}
    for status in (400, 401, 403, 404, 409, 413, 422, 429, 503)
}
"""Answers that every route may give beside its own."""


def status_of(error: GatefrontError) -> int:
    """Wrong input is 422 unless its kind says more, work that failed is 500."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return 422 if isinstance(error, ValueError) else 500


def problem(status: int, detail: str, hint: str = "", headers: Mapping[str, str] | None = None) -> Response:
    document = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, hint=hint)
    return JSONResponse(document.model_dump(), status, headers, media_type=MEDIA_TYPE)


def add_problems(app: FastAPI) -> None:
    """Every error that leaves a route becomes a problem; none of them shows a traceback."""

    @app.exception_handler(GatefrontError)
    async def _known(_request: Request, error: GatefrontError) -> Response:
        return problem(status_of(error), error.message, error.hint)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return problem(422, f"{place}: {first['msg']}.", "GET /api/v1/openapi.json says what is expected.")

    @app.exception_handler(HTTPException)
    async def _refused(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(SQLAlchemyError)
    async def _unreachable(_request: Request, error: SQLAlchemyError) -> Response:
        # Its text may hold the statement and its values.
        logger.error("the database failed: %s", type(error).__name__, exc_info=error)
        return problem(503, "the database cannot be used at the moment.", "Try again; the server's log says more.")

    @app.exception_handler(Exception)
    async def _unknown(_request: Request, error: Exception) -> Response:
        return problem(500, "this failed for a reason that gatefront does not know.", "The server's log has it.")
