"""The sweep: removes what a crash between file and row has left behind."""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from uuid import UUID

import psycopg

from assets.database import ANSWER_SECONDS, Connection, Pool, bounded
from assets.storage import INCOMING, PART, Folder, in_thread

logger = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
AGAIN_SECONDS = 60.0

# Far above what an upload can take.
OLD_SECONDS = 24 * 3600.0

# One sweep looks at no more files, and starts anywhere, so that the next one sees others.
MAX_FILES = 100_000
BATCH = 500

# The number is our own, and means nothing else in this database.
LOCK = 4_027_310_001


async def sweep_always(folder: Folder, pool: Pool) -> None:
    """Sweep now and every hour; sooner when the database or the disk was away."""
    while True:
        try:
            await sweep(folder, pool)
        except (psycopg.Error, OSError) as error:
            logger.warning("sweep failed", extra={"error": repr(error)[:300]})
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            await asyncio.sleep(EVERY_SECONDS)


async def sweep(folder: Folder, pool: Pool) -> None:
    """Remove old parts, and old files without a row; one replica at a time."""
    before = time.time() - OLD_SECONDS
    async with pool.connection() as connection:
        if not await truth(connection, "SELECT pg_try_advisory_lock(%s)", LOCK):
            return
        try:
            parts = await in_thread(remove_old_parts, folder, before)
            orphans = await remove_orphans(folder, connection, before)
        finally:
            await truth(connection, "SELECT pg_advisory_unlock(%s)", LOCK)
    if parts or orphans:
        logger.info("swept", extra={"parts": parts, "orphans": orphans})


async def remove_orphans(folder: Folder, connection: Connection, before: float) -> int:
    """Remove old files without a row. Return how many there were."""
    if not await truth(connection, "SELECT EXISTS (SELECT FROM assets)"):
        return 0  # nothing at all is known: more likely the wrong database than all orphans
    removed = 0
    ids = islice(old_ids(folder.root, before), MAX_FILES)
    while batch := await in_thread(list, islice(ids, BATCH)):
        async with bounded(connection, ANSWER_SECONDS):
            known = await connection.execute("SELECT id FROM assets WHERE id = ANY(%s)", [batch])
            orphans = set(batch) - {row[0] for row in await known.fetchall()}
        for orphan in orphans:
            await in_thread(folder.remove, orphan)
        removed += len(orphans)
    return removed


async def truth(connection: Connection, question: str, *given: int) -> bool:
    """Ask the database a question with one answer."""
    async with bounded(connection, ANSWER_SECONDS):
        row = await (await connection.execute(question, given)).fetchone()
    return row is not None and bool(row[0])


def remove_old_parts(folder: Folder, before: float) -> int:
    """Remove parts that nobody writes to any more. Return how many there were."""
    removed = 0
    for entry in islice(entries(folder.root / INCOMING), MAX_FILES):
        if entry.name.endswith(PART) and is_old(entry, before):
            Path(entry.path).unlink(missing_ok=True)
            removed += 1
    return removed


def old_ids(root: Path, before: float) -> Iterator[UUID]:
    """List the ids of old files."""
    start = secrets.randbelow(256)
    for number in range(256):
        for entry in entries(root / f"{(start + number) % 256:02x}"):
            if is_old(entry, before) and is_id(entry.name):
                yield UUID(entry.name)


def entries(path: Path) -> Iterator[os.DirEntry[str]]:
    """List a folder, which need not be there."""
    try:
        with os.scandir(path) as found:
            yield from found
    except FileNotFoundError:
        return


def is_old(entry: os.DirEntry[str], before: float) -> bool:
    """Tell whether a file was last written before a moment. One that has just gone was not."""
    try:
        is_file = entry.is_file(follow_symlinks=False)
        return is_file and entry.stat(follow_symlinks=False).st_mtime < before
    except FileNotFoundError:
        return False


def is_id(name: str) -> bool:
    """Tell whether a file's name is one that we give."""
    return len(name) == 32 and set(name) <= set("0123456789abcdef")
