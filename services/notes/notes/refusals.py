"""Which error is answered with which problem, and never with what the client sent."""

import logging
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from notes.access import InvalidTokenError, KeysAwayError, NoTokenError
from notes.documents import NoteNotFoundError, NotTheOwnerError, VersionConflictError
from notes.feed import AddressFullError, FeedFullError
from notes.owners import TooManyNotesError
from notes.problems import printable, problem, too_many_of_address

logger = logging.getLogger(__name__)

# A body can be wrong in thousands of places; more than these help nobody.
MAX_FAULTS = 20

RETRY_LATER: Final = {"Retry-After": "5"}


def install(app: FastAPI) -> None:
    """Answer each kind of error with its problem document."""
    app.exception_handler(NoTokenError)(no_token)
    app.exception_handler(InvalidTokenError)(invalid_token)
    app.exception_handler(KeysAwayError)(keys_away)
    app.exception_handler(NotTheOwnerError)(not_the_owner)
    app.exception_handler(TooManyNotesError)(too_many_notes)
    app.exception_handler(NoteNotFoundError)(note_not_found)
    app.exception_handler(VersionConflictError)(version_conflict)
    app.exception_handler(RequestValidationError)(invalid_request)
    app.exception_handler(FeedFullError)(feed_full)
    app.exception_handler(AddressFullError)(address_full)
    app.exception_handler(PyMongoError)(database_away)
    app.exception_handler(HTTPException)(refused)
    app.exception_handler(Exception)(failed)


async def no_token(_request: Request, _error: NoTokenError) -> JSONResponse:
    """401: the request has to say who sends it."""
    return problem(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})


async def invalid_token(_request: Request, error: InvalidTokenError) -> JSONResponse:
    """401, and no word about what is wrong with the token."""
    logger.info("token refused", extra={"reason": str(error)})
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return problem(401, "the token is not valid", headers=challenge)


async def keys_away(_request: Request, _error: KeysAwayError) -> JSONResponse:
    """503: who sends the request cannot be told at the moment. Nothing has been done."""
    return problem(503, "tokens cannot be checked at the moment", headers=RETRY_LATER)


async def not_the_owner(_request: Request, _error: NotTheOwnerError) -> JSONResponse:
    """403: the note is somebody else's."""
    return problem(403, "the note belongs to somebody else")


async def too_many_notes(_request: Request, error: TooManyNotesError) -> JSONResponse:
    """403: the owner has to delete some before there are more."""
    return problem(403, str(error))


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


async def feed_full(_request: Request, _error: FeedFullError) -> JSONResponse:
    """503: another replica may have room, or this one in a while."""
    return problem(503, "no more listeners can be taken", headers=RETRY_LATER)


async def address_full(_request: Request, _error: AddressFullError) -> JSONResponse:
    """429: others have their share."""
    return too_many_of_address()


async def database_away(request: Request, error: PyMongoError) -> JSONResponse:
    """503: the database did not answer, or not in time. A write may have happened."""
    logger.warning(
        "database did not answer",
        extra={"method": request.method, "path": request.url.path, "error": str(error)[:300]},
    )
    return problem(503, "the database does not answer", headers=RETRY_LATER)


async def refused(request: Request, error: HTTPException) -> JSONResponse:
    """Give what the framework refuses (404, 405, 413 and the like) the same form."""
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
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


async def failed(_request: Request, _error: Exception) -> JSONResponse:
    """500: a bug of ours. The server logs the error with its traceback."""
    return problem(500, "the service failed")
