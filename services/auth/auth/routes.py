"""The HTTP face of logins, sessions and keys; the accounts' own is in `users_v1` and `users_v2`."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from auth import sessions
from auth.access_tokens import ACCESS_SECONDS, PublicKeys, SigningKeys
from auth.contract import BODY, json_only, problems
from auth.dependencies import Data, EntryDoor, Keys, Secure, Visitor, unstored
from auth.fields import Command, RefreshText
from auth.login import Login

router = APIRouter(prefix="/auth", tags=["sessions"])


class Tokens(BaseModel):
    """What a client keeps: one token for requests, and one to get the next two with."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  the name of a kind
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


class RefreshToken(Command):
    """A refresh token."""

    refresh_token: RefreshText


@router.post(
    "/login",
    dependencies=[Depends(json_only), Depends(unstored)],
    responses=problems(*BODY, 401, 429, 503),
)
async def login(
    door: EntryDoor, guest: Visitor, keys: Keys, secure: Secure, command: Login, response: Response
) -> Tokens:
    """Log in. After 5 failures with an account a client has to wait: 429 says how long.

    The cookie that comes with the tokens makes the device a known one, which waits for nobody else.
    """
    entered = await door.log_in(command, guest)
    entered.cookie.set_on(response, secure=secure)
    return tokens(keys, entered.user_id, entered.token)


@router.post(
    "/refresh",
    dependencies=[Depends(json_only), Depends(unstored)],
    responses=problems(*BODY, 401, 503),
)
async def refresh(database: Data, keys: Keys, command: RefreshToken) -> Tokens:
    """Swap a refresh token for the next. One that comes a second time ends its session."""
    async with database.connection() as connection:
        user_id, token = await sessions.carry_on(connection, command.refresh_token)
    return tokens(keys, user_id, token)


@router.post(
    "/logout",
    status_code=204,
    response_class=Response,  # no body, and so no type of one
    dependencies=[Depends(json_only)],
    responses=problems(*BODY, 503),
)
async def logout(database: Data, command: RefreshToken) -> None:
    """End the session of a refresh token, if there is one. Access tokens live out their minutes."""
    async with database.connection() as connection:
        await sessions.end(connection, command.refresh_token)


@router.get("/.well-known/jwks.json", responses=problems())
async def jwks(keys: Keys, response: Response) -> PublicKeys:
    """Publish the keys that verify access tokens."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return keys.public()


def tokens(keys: SigningKeys, user_id: UUID, refresh_token: str) -> Tokens:
    """Put both tokens into an answer."""
    return Tokens(
        access_token=keys.issue(user_id),
        expires_in=ACCESS_SECONDS,
        refresh_token=refresh_token,
        refresh_expires_in=sessions.REFRESH_SECONDS,
    )
