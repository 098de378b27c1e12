"""Accounts as version 1 knows them."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends
from psycopg.rows import class_row
from pydantic import BaseModel

from auth.access_tokens import not_valid
from auth.contract import BODY, json_only, problems
from auth.dependencies import Data, Hashes, UserId, unstored
from auth.fields import Command, Email, NewPassword
from auth.problems import RefusedError

router = APIRouter(prefix="/auth", tags=["users"], dependencies=[Depends(unstored)])


class Register(Command):
    """A new account."""

    email: Email
    password: NewPassword


class User(BaseModel):
    """An account as its owner sees it."""

    id: UUID
    email: str
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
            INSERT INTO users (email, password_hash) VALUES (%s, %s)
            ON CONFLICT (email) DO NOTHING RETURNING id, email, created_at
            """,
            (command.email, hashed),
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
        # Columns by name: the next version's are none of our business.
        await cursor.execute("SELECT id, email, created_at FROM users WHERE id = %s", (user_id,))
        found = await cursor.fetchone()
    if found is None:
        raise not_valid()
    return found
