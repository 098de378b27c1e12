"""Whether this replica can serve."""

from typing import Literal

import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from auth.contract import problems
from auth.database import Database
from auth.problems import RETRY_SECONDS, problem

# A 503 comes before a probe gives up by itself.
QUEUE_SECONDS = 1.0
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
async def health(request: Request, response: Response) -> Health | JSONResponse:
    """Say that requests can be served: 503 while the database does not answer, or is not migrated."""
    state = request.app.state
    schema = await schema_of(state.database)
    # A database ahead of this version is fine: schemas grow, and are only cut when nobody needs the
    # rest any more.
    if schema is None or schema < state.release.schema:
        detail = "the database does not answer" if schema is None else "the database is behind"
        headers = {"Cache-Control": "no-store", "Retry-After": str(RETRY_SECONDS)}
        members = {"service": "auth", "version": state.version}
        return problem(503, detail, members=members, headers=headers)
    response.headers["Cache-Control"] = "no-store"
    return Health(status="ok", service="auth", version=state.version)


@router.get("/livez")
async def livez(request: Request) -> Liveness:
    """Say that the process is alive, whatever the database does."""
    return Liveness(status="alive", service="auth", version=request.app.state.version)


async def schema_of(database: Database) -> str | None:
    """Ask how far the database has been migrated: "" for not at all, None for no answer."""
    try:
        async with database.connection(QUEUE_SECONDS, ANSWER_SECONDS) as connection:
            cursor = await connection.execute("SELECT version_num FROM alembic_version")
            row = await cursor.fetchone()
    except psycopg.errors.UndefinedTable:
        return ""
    except psycopg.Error:
        return None
    return str(row[0]) if row else ""
