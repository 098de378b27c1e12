"""The assembly: routes, errors and the database client's life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from notes import health, problems, routes
from notes.database import connect, notes_of
from notes.limits import BodyLimit
from notes.logs import RequestContext
from notes.settings import Settings


def create_app(settings: Settings) -> ASGIApp:
    """Build the app. It starts and answers whether or not the database does."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with connect(settings) as client:
            app.state.database = client
            app.state.notes = notes_of(client, settings)
            yield

    app = FastAPI(
        title="Notes",
        version=settings.service_version,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would name this service's own host, not the gateway
        docs_url=None,
        redoc_url=None,
    )
    app.state.version = settings.service_version
    app.include_router(health.router)
    app.include_router(routes.router)
    problems.install(app)
    app.add_middleware(BodyLimit)
    return RequestContext(app)
