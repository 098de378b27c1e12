"""The assembly: routes, errors and the lives of the database's pool and the hashing threads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from auth import contract, health, problems, routes, users_v1, users_v2
from auth.access_tokens import SigningKeys
from auth.database import Database
from auth.devices import Devices
from auth.limits import BodyLimit
from auth.logs import RequestContext
from auth.passwords import Passwords
from auth.release import release_of
from auth.settings import Settings


def create_app(settings: Settings) -> ASGIApp:
    """Build the app. It starts and answers whether or not the database does."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Database(settings) as database:
            with Passwords(settings) as passwords:
                app.state.database, app.state.passwords = database, passwords
                yield

    app = FastAPI(
        title="Auth",
        version=settings.service_version,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would name this service's own host, not the gateway
        docs_url=None,
        redoc_url=None,
    )
    app.state.version = settings.service_version
    app.state.release = release_of(settings.service_version)
    app.state.keys = SigningKeys(settings.signing_keys)
    app.state.devices = Devices(settings.signing_keys)
    app.include_router(health.router)
    app.include_router(routes.router)
    users = users_v2 if app.state.release.display_names else users_v1
    app.include_router(users.router)
    problems.install(app)
    contract.install(app)
    app.add_middleware(BodyLimit)
    return RequestContext(app)
