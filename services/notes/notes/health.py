"""Whether this replica can serve."""

from typing import Literal

import pymongo
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from pymongo.errors import PyMongoError

from notes.database import Client

# The client looks at the clock every half second, so a 503 takes a second at most: it comes before
# a probe gives up by itself.
PING_SECONDS = 0.5

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """What a gate reads before it lets traffic in."""

    status: Literal["ok", "unavailable"]
    service: str
    version: str


class Liveness(BaseModel):
    """What a supervisor reads before it restarts a process."""

    status: Literal["ok"]


@router.get("/health", responses={503: {"model": Health}})
async def health(request: Request, response: Response) -> Health:
    """Say that requests can be served: 503 while the database does not answer."""
    response.headers["Cache-Control"] = "no-store"
    answering = await database_answers(request.app.state.database)
    if not answering:
        response.status_code = 503
    return Health(
        status="ok" if answering else "unavailable",
        service="notes",
        version=request.app.state.version,
    )


@router.get("/livez")
async def livez() -> Liveness:
    """Say that the process is alive, whatever the database does."""
    return Liveness(status="ok")


async def database_answers(client: Client) -> bool:
    """Ping the database, for about `PING_SECONDS` at most."""
    try:
        with pymongo.timeout(PING_SECONDS):
            await client.admin.command("ping")
    except PyMongoError:
        return False
    return True
