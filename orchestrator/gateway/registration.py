"""What the gateway's volume keeps of an account at an authority: its key, and what has failed lately."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.certificates.account import make_key
from orchestrator.errors import NotFound
from orchestrator.gateway.files import ACCOUNTS, FOLDER, pack_account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.ports import Inside

KEY, FAILURES = "key.pem", "failures.json"
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=15), timedelta(days=1)


class Failure(NamedTuple):
    """That an authority did not issue what it was asked for."""

    at: int  # Unix time of the last attempt
    attempts: int  # that have failed in a row

    @property
    def over(self) -> datetime:
        """Return when the same may be asked again without bothering anybody."""
        pause: timedelta = FIRST_PAUSE * (1 << min(self.attempts - 1, 10))
        return datetime.fromtimestamp(self.at, UTC) + min(pause, LONGEST_PAUSE)


class Registration:
    """The account at the authority that a URL leads to."""

    def __init__(self, engine: Inside, container: str, directory: str) -> None:
        self._engine = engine
        self._id = container
        self._folder = hashlib.sha256(directory.encode()).hexdigest()[:16]

    def open_key(self) -> bytes:
        """Return the account's key as PEM; the first time it is made. Raises EngineError."""
        found = self._read(KEY)
        if found:
            return found.encode()
        key = make_key()
        self._write(KEY, key)
        return key

    def read_failures(self) -> dict[str, Failure]:
        """Return what has failed last time, by the hosts."""
        try:
            raw = json.loads(self._read(FAILURES))
            read = {str(host): Failure(*map(int, told)) for host, told in raw.items()}
            return {host: one for host, one in read.items() if one.attempts > 0 and one.over}
        except (ValueError, TypeError, AttributeError, OverflowError, OSError):
            return {}  # it is only a matter of courtesy

    def write_failures(self, failures: Mapping[str, Failure]) -> None:
        """Keep what has failed. Raises EngineError."""
        self._write(FAILURES, json.dumps({host: [*one] for host, one in failures.items()}).encode())

    def _read(self, name: str) -> str:
        try:
            return self._engine.read(self._id, f"{ACCOUNTS}/{self._folder}/{name}")
        except NotFound:
            return ""

    def _write(self, name: str, content: bytes) -> None:
        self._engine.write(self._id, FOLDER, pack_account(self._folder, {name: content}))
