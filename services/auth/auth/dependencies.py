"""What routes are given: the parts that the app holds, and who is asking."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from auth.access_tokens import SigningKeys
from auth.clients import client_of
from auth.database import Database
from auth.login import Door, Guest
from auth.passwords import Passwords
from auth.problems import RefusedError

bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="an access token")


async def the_database(request: Request) -> Database:
    """Hand a route the database."""
    database: Database = request.app.state.database
    return database


async def the_passwords(request: Request) -> Passwords:
    """Hand a route what hashes passwords."""
    passwords: Passwords = request.app.state.passwords
    return passwords


async def the_keys(request: Request) -> SigningKeys:
    """Hand a route the signing keys."""
    keys: SigningKeys = request.app.state.keys
    return keys


async def the_guest(request: Request) -> Guest:
    """Hand a route what is known of a client that has no token."""
    return Guest(client_of(request), request.cookies)


async def the_door(request: Request) -> Door:
    """Hand a route where logins come in."""
    state = request.app.state
    return Door(state.database, state.passwords, state.devices)


async def is_secure(request: Request) -> bool:
    """Tell whether the client came by HTTPS: the gateway says so."""
    return request.headers.get("x-forwarded-proto") == "https"


async def unstored(response: Response) -> None:
    """Tell everybody on the way that the answer is for one pair of eyes."""
    response.headers["Cache-Control"] = "no-store"


async def the_user_id(
    keys: Annotated[SigningKeys, Depends(the_keys)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> UUID:
    """Name the user whose access token came along. Raise `RefusedError` (401) without a valid one."""
    if credentials is None:
        raise RefusedError(401, "an access token is needed", {"WWW-Authenticate": "Bearer"})
    return keys.user_of(credentials.credentials)


Data = Annotated[Database, Depends(the_database)]
Hashes = Annotated[Passwords, Depends(the_passwords)]
Keys = Annotated[SigningKeys, Depends(the_keys)]
EntryDoor = Annotated[Door, Depends(the_door)]
Visitor = Annotated[Guest, Depends(the_guest)]
Secure = Annotated[bool, Depends(is_secure)]
UserId = Annotated[UUID, Depends(the_user_id)]
