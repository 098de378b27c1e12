"""What is known of each asset: the rows of the database."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from assets.database import Pool, connected
from assets.problems import RETRY, Refusal
from assets.quota import Quota, hold

_INSERT = """
    INSERT INTO assets (id, owner, name, size, sha256, content_type, width, height)
    VALUES (%(id)s, %(owner)s, %(name)s, %(size)s, %(sha256)s, %(content_type)s,
            %(width)s, %(height)s)
    RETURNING id, owner, name, size, sha256, content_type, width, height, created_at
"""
_GET = """
    SELECT id, owner, name, size, sha256, content_type, width, height, created_at
    FROM assets WHERE id = %s
"""
_LIST = """
    SELECT id, owner, name, size, sha256, content_type, width, height, created_at
    FROM assets WHERE owner = %s AND (created_at, id) < (%s, %s)
    ORDER BY created_at DESC, id DESC LIMIT %s
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)

PageLimit = Annotated[int, Field(ge=1, le=100)]
Cursor = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{32}$")]


class NewAsset(BaseModel):
    """An asset whose file is in its place and whose row is not."""

    id: UUID
    owner: UUID
    name: str
    size: int
    sha256: str
    content_type: str
    # null for what is no image
    width: int | None
    height: int | None


class Asset(NewAsset):
    """An asset as clients see it."""

    created_at: datetime


class AssetPage(BaseModel):
    """Some assets, newest first, and the cursor of the page after them; null at the end."""

    assets: list[Asset]
    next: str | None


class AssetNotFoundError(Refusal):
    """No asset has this id."""

    status = 404

    def __init__(self) -> None:
        super().__init__("no asset has this id")


class NotOwnerError(Refusal):
    """The asset is somebody else's."""

    status = 403

    def __init__(self) -> None:
        super().__init__("the asset belongs to somebody else")


class OutcomeUnknownError(Refusal):
    """The database was told to keep the row, and did not say that it has."""

    status = 503
    headers = RETRY

    def __init__(self) -> None:
        super().__init__("the database does not answer; the asset may have been stored")


async def add_asset(pool: Pool, new: NewAsset, quota: Quota) -> Asset:
    """Store a row, within its owner's quota.

    Raise `OutcomeUnknownError` if it may be there; other errors: it is not.
    """
    inserted: Asset | None = None
    try:
        async with (
            connected(pool) as connection,
            connection.transaction(),
            connection.cursor(row_factory=class_row(Asset)) as cursor,
        ):
            await hold(connection, new.owner, new.size, quota)
            await cursor.execute(_INSERT, new.model_dump())
            inserted = await cursor.fetchone()
    except (psycopg.Error, asyncio.CancelledError) as error:
        if inserted is not None:  # it was the commit that failed
            raise OutcomeUnknownError from error
        raise
    if inserted is None:
        raise RuntimeError("INSERT … RETURNING returned nothing")
    return inserted


async def get_asset(pool: Pool, asset_id: UUID) -> Asset:
    """Read one row. Raise `AssetNotFoundError` if there is none."""
    async with (
        connected(pool) as connection,
        connection.cursor(row_factory=class_row(Asset)) as cursor,
    ):
        await cursor.execute(_GET, [asset_id])
        asset = await cursor.fetchone()
    if asset is None:
        raise AssetNotFoundError
    return asset


async def list_assets(pool: Pool, owner: UUID, limit: int, after: str | None) -> AssetPage:
    """List up to `limit` of an owner's assets, newest first: of all, or those after a cursor."""
    moment, last_id = (_END_OF_TIME, UUID(int=0)) if after is None else place_of(after)
    async with (
        connected(pool) as connection,
        connection.cursor(row_factory=class_row(Asset)) as cursor,
    ):
        # One more than asked for tells whether there is a next page.
        await cursor.execute(_LIST, [owner, moment, last_id, limit + 1])
        found = await cursor.fetchall()
    shown = found[:limit]
    return AssetPage(assets=shown, next=cursor_of(shown[-1]) if len(found) > limit else None)


async def delete_asset(pool: Pool, asset_id: UUID, owner: UUID) -> None:
    """Remove a row. Raise `AssetNotFoundError` or `NotOwnerError` if it cannot be removed."""
    async with connected(pool) as connection:
        deleted = await connection.execute(
            "DELETE FROM assets WHERE id = %s AND owner = %s", [asset_id, owner]
        )
        if deleted.rowcount == 1:
            return
        known = await connection.execute("SELECT 1 FROM assets WHERE id = %s", [asset_id])
        if await known.fetchone() is None:
            raise AssetNotFoundError
        raise NotOwnerError


def cursor_of(asset: Asset) -> str:
    """Write an asset's place in the list as a cursor, which holds even when the asset goes."""
    microseconds = (asset.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(microseconds.to_bytes(8) + asset.id.bytes).decode()


def place_of(cursor: str) -> tuple[datetime, UUID]:
    """Read a cursor. Any 24 bytes are a place in the list, if perhaps before all of it."""
    raw = base64.urlsafe_b64decode(cursor)
    microseconds = min(
        int.from_bytes(raw[:8]), (_END_OF_TIME - _EPOCH) // timedelta(microseconds=1)
    )
    return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=raw[8:])
