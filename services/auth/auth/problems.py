"""Every error as a problem document (RFC 9457), and none of them with what the client sent."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg.errors import UndefinedColumn, UndefinedTable
from pydantic import BaseModel
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# A body can be wrong in thousands of places; more than these help nobody.
MAX_FAULTS = 20

# While the database is away, or not migrated yet.
RETRY_SECONDS = 5


class Fault(BaseModel):
    """One wrong place of a request."""

    at: str
    detail: str


class Problem(BaseModel):
    """An error; `errors` lists the wrong places of a request that is not valid."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


class RefusedError(Exception):
    """A request that is understood and not granted."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def install(app: FastAPI) -> None:
    """Answer each kind of error with its problem document."""
    app.exception_handler(RefusedError)(not_granted)
    app.exception_handler(RequestValidationError)(invalid_request)
    app.exception_handler(psycopg.OperationalError)(database_away)
    app.exception_handler(psycopg.InterfaceError)(database_away)
    app.exception_handler(UndefinedTable)(database_away)
    app.exception_handler(UndefinedColumn)(database_away)
    app.exception_handler(HTTPException)(refused)
    app.exception_handler(Exception)(failed)


async def not_granted(_request: Request, error: RefusedError) -> JSONResponse:
    """Give the status that the refusal names."""
    return problem(error.status, error.detail, headers=error.headers)


async def invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    """400 for JSON that is broken, 422 for JSON that is not what the route takes."""
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem(400, "the body is not valid JSON")
    listed = [
        {"at": printable(".".join(map(str, fault["loc"]))), "detail": printable(fault["msg"])}
        for fault in faults[:MAX_FAULTS]
    ]
    return problem(422, "the request is not valid", members={"errors": listed})


async def database_away(request: Request, error: psycopg.Error) -> JSONResponse:
    """503: the database did not answer, not in time, or has no tables yet. A write may have happened."""
    logger.warning(
        "database did not serve",
        extra={"method": request.method, "path": request.url.path, "error": str(error)[:300]},
    )
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return problem(503, "the database does not answer", headers=headers)


async def refused(request: Request, error: HTTPException) -> JSONResponse:
    """Give what the framework refuses (404, 405, 413 and the like) the same form."""
    headers = error.headers
    described = request.app.openapi()["paths"].get(request.url.path)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and described:
        # The framework names the methods of the route that it met first, not all of the path.
        headers = {"Allow": ", ".join(sorted(map(str.upper, described)))}
    return problem(error.status_code, printable(error.detail), headers=headers)


async def failed(_request: Request, _error: Exception) -> JSONResponse:
    """500: a bug of ours. The server logs the error with its traceback."""
    return problem(500, "the service failed")


def problem(
    status: int,
    detail: str,
    *,
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Build a problem document with its extension members."""
    return JSONResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            **(members or {}),
        },
        status_code=status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def printable(text: str) -> str:
    """Replace what UTF-8 cannot carry, as half a surrogate pair in a field's name."""
    return text[:200].encode("utf-8", "replace").decode("utf-8")
