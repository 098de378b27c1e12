"""The assembly: routes, errors, and the life of what they use."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from assets import health, openapi, problems, routes
from assets.database import new_pool
from assets.logs import RequestContext
from assets.settings import Settings
from assets.storage import Folder, Reserve
from assets.sweep import sweep_always
from assets.tokens import Keys
from assets.uploads import Uploads


def create_app(settings: Settings) -> ASGIApp:
    """Build the app. It starts and answers whether or not database, folder and auth do."""
    folder = Folder(settings.folder, Reserve(settings.free_percent, settings.free_bytes))
    keys = Keys(settings.jwks_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with new_pool(settings) as pool:
            app.state.pool = pool
            app.state.folder = folder
            app.state.keys = keys
            app.state.uploads = Uploads(folder, settings)
            async with beside(keys.refresh(), sweep_always(folder, pool)):
                yield

    app = FastAPI(
        title="Assets",
        version=settings.service_version,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would name this service's own host, not the gateway
        docs_url=None,
        redoc_url=None,
    )
    app.state.version = settings.service_version
    app.state.routers = [health.router, routes.router]
    for router in app.state.routers:
        app.include_router(router)
    problems.install(app)
    openapi.install(app)
    return RequestContext(app)


@asynccontextmanager
async def beside(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do work beside the requests, until they end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
