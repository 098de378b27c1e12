"""The record of one release: events as they happen, files whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import socket
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from orchestrator.errors import StackctlError
from orchestrator.events import Begun, Event
from orchestrator.evidence.lines import (
    EVENTS,
    KEYED,
    PLAIN,
    SAMPLES,
    Chain,
    find_doubt,
    read_digest,
    start_events,
    start_samples,
)
from orchestrator.evidence.samples import Sample, parse_entry, split_testimony
from orchestrator.files import find_free
from orchestrator.reports import (
    PRIVATE,
    hash_own,
    make_folder,
    open_own,
    read_own,
    remove_folder,
    replace_own,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TextIO

    from orchestrator.clock import Clock
    from orchestrator.evidence.notes import Note

BEGIN = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
ADOPT = os.O_RDWR | os.O_APPEND
Entry = TypeVar("Entry")


class Record:
    """`reports/releases/<release>/` while the release runs, or once it has died.

    Its events file is locked as long as the process lives that writes it: see `adopt`.
    """

    def __init__(self, folder: Path, clock: Clock, events: int, key: bytes | None = None) -> None:
        self.folder = folder
        self.release = folder.name
        self.trouble = ""
        self.events: list[dict[str, Any]] = []
        self.samples: list[Sample] = []
        self.notes: list[Note] = []
        self._clock = clock
        self._tolerant = False
        self._torn = ""  # why requests of the witness are missing in their file
        self._whole: dict[str, int] = {}  # bytes of each file that could be read
        self._lines: dict[str, list[str]] = {}  # and what they hold
        self._guard = threading.Lock()  # probes and the witness emit from threads of their own
        self._events = os.fdopen(events, "ab", buffering=0)
        self._chain = Chain(key, start_events(self.release))
        self._samples: TextIO | None = None  # once it has begun
        self._testimony = Chain(key, "")

    @classmethod
    def begin(
        cls, releases: Path, service: str, version: str, clock: Clock, key: bytes | None = None
    ) -> Self:
        """Make the folder of a release; `key` chains its lines. Raises StackctlError."""
        # By time, so that names sort in the order of releases.
        folder = find_free(releases, f"{clock.now():%Y%m%d-%H%M%S}-{service}-{version}")
        try:
            make_folder(folder)
            record = cls(folder, clock, open_own(folder / EVENTS, BEGIN), key)
            record.lock()
            record._begin()
        except OSError as error:
            raise StackctlError(
                f"no evidence can be written to `{folder}`: {error.strerror}",
                "a release without evidence is not started: make room or mend the rights",
            ) from error
        return record

    @classmethod
    def adopt(cls, folder: Path, clock: Clock) -> Self | None:
        """Open the record of a release that died; None while its process lives. Raises OSError.

        Nothing is changed yet: see `cut`. What its death has torn is not read, nor what follows a
        line that is none of ours.
        """
        record = cls(folder, clock, open_own(folder / EVENTS, ADOPT))
        try:
            if record.lock():
                record._read()
                return record
        except OSError:
            record.close()
            raise
        record.close()
        return None

    def _begin(self) -> None:
        chained = KEYED if self._chain.key else PLAIN
        begun = Begun(self.release, socket.gethostname(), secrets.token_hex(16), chained)
        # On the disk with the next event: it says nothing by itself.
        self._write(self._clock.now().isoformat(timespec="milliseconds"), begun)
        samples = open_own(self.folder / SAMPLES, BEGIN)
        self._samples = os.fdopen(samples, "a", buffering=1, encoding="utf-8")
        self._testimony.last = start_samples(self._chain.last)

    def _read(self) -> None:
        content = read_own(self.folder / EVENTS)
        self.events, self._lines[EVENTS], self._whole[EVENTS] = _read_whole(content, _parse_event)
        try:
            content = read_own(self.folder / SAMPLES)
        except FileNotFoundError:
            content = b""  # it died in between
        entries, self._lines[SAMPLES], self._whole[SAMPLES] = _read_whole(content, parse_entry)
        self.samples, self.notes = split_testimony(entries)

    def doubt(self, key: bytes | None) -> str | None:
        """Return why a record that was adopted cannot be one that the owner of a key has begun."""
        return find_doubt(self.release, self._lines[EVENTS], self._lines[SAMPLES], key)

    def cut(self, key: bytes | None) -> None:
        """Cut off what could not be read of a record that was adopted; go on after it, with a key.

        Raises OSError.
        """
        os.ftruncate(self._events.fileno(), self._whole[EVENTS])
        with os.fdopen(open_own(self.folder / SAMPLES, ADOPT | os.O_CREAT), "ab") as file:
            file.truncate(self._whole[SAMPLES])
        self._chain = Chain(key, read_digest(self._lines[EVENTS][-1]))

    def lock(self) -> bool:
        """Mark the record as that of a living process; False where another one's it is."""
        try:
            fcntl.flock(self._events, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # this file system has no locks
        return True

    def emit(self, event: Event, at: str | None = None) -> None:
        """Append an event; it is on the disk when this returns. It happens now, unless `at`."""
        moment = at or self._clock.now().isoformat(timespec="milliseconds")
        with self._guard:
            try:
                self._write(moment, event)
                os.fsync(self._events.fileno())
            except OSError as error:
                if not self._tolerant:
                    raise StackctlError(
                        f"the evidence cannot be written: {error.strerror}"
                    ) from error
                self.trouble = error.strerror or str(error)

    def _write(self, moment: str, event: Event) -> None:
        entry = {"at": moment, **event.facts()}
        self.events.append(entry)
        last = self._chain.last
        line = self._chain.link(json.dumps(entry, separators=(",", ":"), default=str))
        try:
            self._events.write(line.encode())
        except OSError:
            self._chain.last = last  # the next line follows on the last that is there
            raise

    def tolerate(self) -> None:
        """From now on keep events in memory where they cannot be written: `trouble` says why."""
        self._tolerant = True

    def sample(self, sample: Sample) -> None:
        """Append a request of the witness."""
        self.samples.append(sample)
        self._testify(sample)

    def note(self, note: Note) -> None:
        """Append what the witness noted beside its requests."""
        self.notes.append(note)
        self._testify(note)

    def _testify(self, entry: Sample | Note) -> None:
        """Append it. A full disk breaks neither the release nor its witness: `close` tells of it."""
        text = json.dumps(entry.facts(), separators=(",", ":"))
        with self._guard:
            if self._samples is None or self._torn:
                return
            try:
                self._samples.write(self._testimony.link(text))
            except OSError as error:
                self._torn = error.strerror or str(error)

    def keep(self, name: str, text: str) -> None:
        """Write a file beside the events."""
        write_whole(self.folder / name, text)

    def hash(self, name: str) -> str:
        """Return the SHA-256 of a file of the record, in hexadecimal."""
        return hash_own(self.folder / name)

    def close(self) -> None:
        """Nothing more will be recorded. Raises StackctlError, once, where something is missing."""
        self._events.close()
        torn, self._torn = self._torn, ""
        try:
            if self._samples is not None:
                self._samples.close()
        except OSError as error:
            torn = error.strerror or str(error)
        if torn:
            raise StackctlError(f"the evidence cannot be written: {torn}")

    def discard(self) -> None:
        """Leave no trace: nothing was released."""
        self.close()
        remove_folder(self.folder)


def _parse_event(line: str) -> dict[str, Any]:
    event = json.loads(line)
    if not isinstance(event, dict) or not {"at", "event"} <= event.keys():
        raise ValueError(line)
    return event


def _read_whole(
    content: bytes, parse: Callable[[str], Entry]
) -> tuple[list[Entry], list[str], int]:
    """Return what lines say up to the first that cannot be read, these lines, and their bytes."""
    entries, lines, whole = [], [], 0
    while (end := content.find(b"\n", whole)) >= 0:
        try:
            line = content[whole:end].decode()
            entries.append(parse(line))
        except (ValueError, RecursionError):
            break
        lines.append(line)
        whole = end + 1
    return entries, lines, whole


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(to_bytes(text)).hexdigest()


def to_bytes(text: str) -> bytes:
    """Return a text as a file holds it; half of a surrogate pair, which none can, as an escape."""
    return text.encode(errors="backslashreplace")


def write_whole(path: Path, text: str, mode: int = PRIVATE) -> None:
    """Replace a file below `reports/` in one step. Raises StackctlError."""
    try:
        replace_own(path, to_bytes(text), mode)
    except OSError as error:
        raise StackctlError(f"`{path}` cannot be written: {error.strerror}") from error
