"""Whether this replica can serve."""

import asyncio
from typing import Literal

import pymongo
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pymongo.errors import PyMongoError

from notes.database import Client
from notes.problems import documented, problem

# The client looks at the clock every half second, so a 503 takes a second at most: it comes before
# a probe gives up by itself.
PING_SECONDS = 0.5

# A read side that is being made whole usually is so in a moment.
COMPLETE_SECONDS = 0.5

_FRESH = {"Cache-Control": "no-store"}
_AGAIN = _FRESH | {"Retry-After": "5"}

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """What a gate reads before it lets traffic in."""

    status: Literal["ok"] = "ok"
    service: Literal["notes"] = "notes"
    version: str


class Liveness(BaseModel):
    """What a supervisor reads before it restarts a process."""

    status: Literal["alive"] = "alive"
    service: Literal["notes"] = "notes"
    version: str


@router.get("/health", response_model=Health, responses=documented(503))
async def health(request: Request, response: Response) -> Health | JSONResponse:
    """Say that requests can be served: that the database answers and lists are whole."""
    response.headers.update(_FRESH)
    if not await database_answers(request.app.state.database):
        return problem(503, "the database does not answer", headers=_AGAIN)
    if not await happens(request.app.state.projector.complete):
        return problem(503, "the cards of the notes are being made", headers=_AGAIN)
    return Health(version=request.app.state.version)


@router.get("/livez")
async def livez(request: Request) -> Liveness:
    """Say that the process is alive, whatever the database does."""
    return Liveness(version=request.app.state.version)


async def database_answers(client: Client) -> bool:
    """Ping the database, for about `PING_SECONDS` at most."""
    try:
        with pymongo.timeout(PING_SECONDS):
            await client.admin.command("ping")
    except PyMongoError:
        return False
    return True


async def happens(event: asyncio.Event) -> bool:
    """Wait a moment for an event."""
    if event.is_set():
        return True
    try:
        await asyncio.wait_for(event.wait(), COMPLETE_SECONDS)
    except TimeoutError:
        return False
    return True
