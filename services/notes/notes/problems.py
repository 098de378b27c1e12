"""Every error as a problem document (RFC 9457), and none of them with what the client sent."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from notes.documents import NoteNotFoundError, VersionConflictError

logger = logging.getLogger(__name__)

# A body can be wrong in thousands of places; more than these help nobody.
MAX_FAULTS = 20


def install(app: FastAPI) -> None:
    """Answer each kind of error with its problem document."""
    app.exception_handler(NoteNotFoundError)(note_not_found)
    app.exception_handler(VersionConflictError)(version_conflict)
    app.exception_handler(RequestValidationError)(invalid_request)
    app.exception_handler(PyMongoError)(database_away)
    app.exception_handler(HTTPException)(refused)
    app.exception_handler(Exception)(failed)


async def note_not_found(_request: Request, _error: NoteNotFoundError) -> JSONResponse:
    """404: no note has this id."""
    return problem(404, "no note has this id")


async def version_conflict(_request: Request, error: VersionConflictError) -> JSONResponse:
    """409, with the version to read before trying again."""
    return problem(409, str(error), members={"current_version": error.current})


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


async def database_away(request: Request, error: PyMongoError) -> JSONResponse:
    """503: the database did not answer, or not in time. A write may have happened."""
    logger.warning(
        "database did not answer",
        extra={"method": request.method, "path": request.url.path, "error": str(error)[:300]},
    )
    return problem(503, "the database does not answer", headers={"Retry-After": "1"})


async def refused(_request: Request, error: HTTPException) -> JSONResponse:
    """Give what the framework refuses (404, 405, 413 and the like) the same form."""
    return problem(error.status_code, printable(error.detail), headers=error.headers)


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
        media_type="application/problem+json",
    )


def printable(text: str) -> str:
    """Replace what UTF-8 cannot carry, as half a surrogate pair in a field's name."""
    return text[:200].encode("utf-8", "replace").decode("utf-8")
