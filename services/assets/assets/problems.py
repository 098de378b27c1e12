"""Every error as a problem document (RFC 9457), and none of them with what the client sent."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

logger = logging.getLogger(__name__)

# A request can be wrong in thousands of places; more than these help nobody.
MAX_FAULTS = 20
RETRY = {"Retry-After": "5"}


class Refusal(Exception):
    """A request that is answered with a problem."""

    status = 400
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str, *, at: str | None = None) -> None:
        """Say what is wrong, and where in the request if that has a name."""
        super().__init__(detail)
        self.detail = detail
        self.at = at


def install(app: FastAPI) -> None:
    """Answer each kind of error with its problem document."""
    app.exception_handler(Refusal)(refusal)
    app.exception_handler(RequestValidationError)(invalid_request)
    app.exception_handler(psycopg.Error)(database_error)
    app.exception_handler(ClientDisconnect)(client_left)
    app.exception_handler(HTTPException)(not_served)
    app.exception_handler(Exception)(failed)


async def refusal(_request: Request, error: Refusal) -> JSONResponse:
    """Answer with the status that the error stands for. What is our own trouble is logged."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning(error.detail, extra={"cause": repr(error.__cause__)[:300]})
    faults = {} if error.at is None else {"errors": [{"at": error.at, "detail": error.detail}]}
    detail = error.detail if error.at is None else "the request is not valid"
    return problem(error.status, detail, members=faults, headers=error.headers)


async def invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    """422, with the path of each fault."""
    listed = [
        {"at": printable(".".join(map(str, fault["loc"]))), "detail": printable(fault["msg"])}
        for fault in error.errors()[:MAX_FAULTS]
    ]
    return problem(422, "the request is not valid", members={"errors": listed})


async def database_error(request: Request, error: psycopg.Error) -> JSONResponse:
    """503 while the database is away or has no tables yet; 500 for a statement that is wrong."""
    away = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.UndefinedTable)
    if not isinstance(error, away):
        raise error
    logger.warning(
        "database did not answer",
        extra={"method": request.method, "path": request.url.path, "error": str(error)[:300]},
    )
    return problem(503, "the database does not answer", headers=RETRY)


async def client_left(_request: Request, _error: ClientDisconnect) -> JSONResponse:
    """Nobody reads this: the client hung up before its request was whole."""
    return problem(400, "the request was not sent to its end")


async def not_served(request: Request, error: HTTPException) -> JSONResponse:
    """Give what the framework refuses (404, 405 and the like) the same form."""
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(methods_served(request))) or headers["Allow"]
    return problem(error.status_code, printable(error.detail), headers=headers)


def methods_served(request: Request) -> set[str]:
    """Tell what may be asked of a path: the framework names the first route's methods only."""
    return {
        method
        for router in request.app.state.routers
        for route in router.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods
    }


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
        # An asset is cached for a year; that it is missing is not for ever.
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type="application/problem+json",
    )


def printable(text: str) -> str:
    """Replace what UTF-8 cannot carry, as half a surrogate pair in a field's name."""
    return text[:200].encode("utf-8", "replace").decode("utf-8")
