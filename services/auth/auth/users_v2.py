"""Accounts as version 2 knows them: an account may have a name to show."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends
from psycopg.rows import class_row
from pydantic import BaseModel

from auth.access_tokens import not_valid
from auth.contract import BODY, json_only, problems
from auth.dependencies import Data, Hashes, UserId, unstored
from auth.fields import Command, DisplayName, Email, NewPassword
from auth.problems import RefusedError

router = APIRouter(prefix="/auth", tags=["users"], dependencies=[Depends(unstored)])


class Register(Command):
    """A new account."""

    email: Email
    password: NewPassword
    display_name: DisplayName | None = None


class ChangeUser(Command):
    """What is to be different; null takes the name away."""

    display_name: DisplayName | None


class User(BaseModel):
    """An account as its owner sees it. Version 1 made accounts without a name."""

    id: UUID
    email: str
    display_name: str | None
    created_at: datetime


@router.post(
    "/register",
    status_code=201,
    dependencies=[Depends(json_only)],
    responses=problems(*BODY, 409, 503),
)
async def register(database: Data, passwords: Hashes, command: Register) -> User:
    """Make an account. That an address is taken is said, with 409, after the same work."""
    hashed = await passwords.hash(command.password)
    async with database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(User))
        await cursor.execute(
            """
            INSERT INTO users (email, password_hash, display_name) VALUES (%s, %s, %s)
            ON CONFLICT (email) DO NOTHING RETURNING id, email, display_name, created_at
            """,
            (command.email, hashed, command.display_name),
        )
        made = await cursor.fetchone()
    if made is None:
        raise RefusedError(409, "there is an account with this e-mail")
    return made


@router.get("/me", responses=problems(401, 503))
async def me(database: Data, user_id: UserId) -> User:
    """Show the account whose access token came along."""
    async with database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(User))
        await cursor.execute(
            "SELECT id, email, display_name, created_at FROM users WHERE id = %s", (user_id,)
        )
        found = await cursor.fetchone()
    if found is None:
        raise not_valid()
    return found


@router.patch("/me", dependencies=[Depends(json_only)], responses=problems(*BODY, 401, 503))
async def change_me(database: Data, user_id: UserId, command: ChangeUser) -> User:
    """Change the name that the account shows."""
    async with database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(User))
        await cursor.execute(
            """
            UPDATE users SET display_name = %s WHERE id = %s
            RETURNING id, email, display_name, created_at
            """,
            (command.display_name, user_id),
        )
        changed = await cursor.fetchone()
    if changed is None:
        raise not_valid()
    return changed
