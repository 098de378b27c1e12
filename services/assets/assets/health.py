"""Whether this replica can serve."""

from typing import Literal

import psycopg
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from assets.database import Pool, connected
from assets.openapi import problems
from assets.problems import RETRY, problem
from assets.storage import Folder, in_thread

# A 503 comes before a probe gives up by itself.
WAIT_SECONDS = 0.8
ANSWER_SECONDS = 0.5

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """What a gate reads before it lets traffic in."""

    status: Literal["ok"]
    service: str
    version: str


class Liveness(BaseModel):
    """What a supervisor reads before it restarts a process."""

    status: Literal["alive"]
    service: str
    version: str


@router.get("/health", response_model=Health, responses=problems(503))
async def health(request: Request, response: Response) -> Health | Response:
    """Say that requests can be served: the database answers, and files can be written."""
    state = request.app.state
    trouble = await trouble_of(state.pool, state.folder)
    if trouble is not None:
        members = {"service": "assets", "version": state.version}
        return problem(503, trouble, members=members, headers=RETRY)
    response.headers["Cache-Control"] = "no-store"
    return Health(status="ok", service="assets", version=state.version)


@router.get("/livez")
async def livez(request: Request) -> Liveness:
    """Say that the process is alive, whatever database and folder do."""
    return Liveness(status="alive", service="assets", version=request.app.state.version)


async def trouble_of(pool: Pool, folder: Folder) -> str | None:
    """Tell what keeps this replica from serving, if anything does."""
    if not await in_thread(folder.writable):
        return "the folder of files cannot be written"
    try:
        async with connected(pool, WAIT_SECONDS, ANSWER_SECONDS) as connection:
            await connection.execute("SELECT FROM assets LIMIT 0")
    except psycopg.errors.UndefinedTable:
        return "the database has no tables yet"
    except psycopg.Error:
        return "the database does not answer"
    return None
