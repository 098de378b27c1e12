"""The assembly: routes, errors, and what lives as long as the process."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from notes import health, live, refusals, routes
from notes.access import Access
from notes.database import connect, store_of
from notes.feed import Bounds, Feed
from notes.limits import BodyLimit
from notes.logs import RequestContext
from notes.owners import Owners
from notes.projection import Projector
from notes.settings import Settings

logger = logging.getLogger(__name__)


def create_app(settings: Settings, stopping: asyncio.Event) -> ASGIApp:
    """Build the app. It starts and answers whether or not the database does."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with connect(settings) as client:
            store = store_of(client, settings)
            feed = Feed(
                store.changes, Bounds(settings.max_listeners, settings.max_listeners_of_address)
            )
            projector = Projector(store, feed, settings.catch_up_seconds)
            access = Access(settings.jwks_url)
            app.state.database = client
            app.state.store = store
            app.state.owners = Owners(store.notes, settings.max_notes_of_owner)
            app.state.feed = feed
            app.state.projector = projector
            app.state.access = access
            async with beside(
                projector.keep_up(), feed.follow(), feed.close_when(stopping), access.make_ready()
            ):
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
    app.state.max_searched = settings.max_searched
    # `live` before `/notes/{note_id}`, which would take its paths
    app.state.routers = [health.router, live.router, routes.router]
    for router in app.state.routers:
        app.include_router(router)
    refusals.install(app)
    app.add_middleware(BodyLimit)
    return RequestContext(app)


@contextlib.asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the requests, and end them after the last one."""
    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(report)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def report(task: asyncio.Task[None]) -> None:
    """Log the error that ended a work: a bug, which nobody else would hear of."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("a work beside the requests has failed", exc_info=error)
