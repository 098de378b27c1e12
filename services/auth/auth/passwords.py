"""Passwords: hashed with argon2id, a few at a time, beside the event loop."""

import asyncio
import logging
import os
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from auth.problems import RefusedError
from auth.settings import Settings

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# The last of so many waits for a second or two. More would be a flood, and no use to wait in.
LONGEST_QUEUE = 40


class Passwords:
    """Hashes in threads: few, because each hash takes its megabytes and a processor."""

    def __init__(self, settings: Settings) -> None:
        """Take the parameters; hashes made with others are replaced at their owner's login."""
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
        )
        self._nobody = hash_of_nobody(settings)
        self._threads = ThreadPoolExecutor(settings.hashes_at_once, "argon2")
        self._queued = 0

    def __enter__(self) -> Self:
        """Be usable; threads start with the work."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what still waits: nobody is left to take the result."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Hash a new password."""
        logger.debug("password to be hashed")
        return await self._run(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Check a password. Where there is no account the same work is done, and the answer is no."""
        right = await self._run(self._verify, stored or self._nobody, password)
        # The one trace of it, for tests to count: an unknown account must cost as much as a known.
        logger.debug("password checked")
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    async def _run(self, work: Callable[..., Result], *arguments: str) -> Result:
        if self._queued >= LONGEST_QUEUE:
            raise RefusedError(503, "too many passwords wait to be checked", {"Retry-After": "1"})
        self._queued += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, *arguments)
        finally:
            self._queued -= 1

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False


def hash_of_nobody(settings: Settings) -> str:
    """Write what looks like a hash with today's parameters and belongs to no password known."""
    salt, digest = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    costs = f"m={settings.argon2_memory_kib},t={settings.argon2_passes},p={settings.argon2_lanes}"
    return f"$argon2id$v=19${costs}${salt}${digest}"
