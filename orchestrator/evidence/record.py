"""The record of one release: events as they happen, files whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from orchestrator.errors import StackctlError
from orchestrator.evidence.samples import Sample, parse_entry, split_testimony
from orchestrator.files import find_free
from orchestrator.reports import (
    PRIVATE,
    hash_own,
    make_folder,
    open_own,
    remove_folder,
    replace_own,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.clock import Clock
    from orchestrator.events import Event
    from orchestrator.evidence.notes import Note

EVENTS, SAMPLES = "events.jsonl", "witness.jsonl"
BEGIN = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
ADOPT = os.O_RDWR | os.O_APPEND
Entry = TypeVar("Entry")


class Record:
    """`reports/releases/<release>/` while the release runs, or once it has died.

    Its events file is locked as long as the process lives that writes it: see `adopt`.
    """

    def __init__(self, folder: Path, clock: Clock, events: int, samples: int) -> None:
        self.folder = folder
        self.release = folder.name
        self.trouble = ""
        self.events: list[dict[str, Any]] = []
        self.samples: list[Sample] = []
        self.notes: list[Note] = []
        self._clock = clock
        self._tolerant = False
        self._whole: dict[str, int] = {}  # bytes of each file that could be read
        self._guard = threading.Lock()  # probes and the witness emit from threads of their own
        self._events = os.fdopen(events, "ab", buffering=0)
        self._samples = os.fdopen(samples, "a", buffering=1, encoding="utf-8")

    @classmethod
    def begin(cls, releases: Path, service: str, version: str, clock: Clock) -> Self:
        """Make the folder of a release. Raises StackctlError."""
        # By time, so that names sort in the order of releases.
        folder = find_free(releases, f"{clock.now():%Y%m%d-%H%M%S}-{service}-{version}")
        try:
            make_folder(folder)
            files = (open_own(folder / name, BEGIN) for name in (EVENTS, SAMPLES))
            record = cls(folder, clock, *files)
        except OSError as error:
            raise StackctlError(
                f"no evidence can be written to `{folder}`: {error.strerror}",
                "a release without evidence is not started: make room or mend the rights",
            ) from error
        record.lock()
        return record

    @classmethod
    def adopt(cls, folder: Path, clock: Clock) -> Self | None:
        """Open the record of a release that died; None while its process lives. Raises OSError.

        Nothing is changed yet: see `cut`. What its death has torn is not read, nor what follows a
        line that is none of ours.
        """
        events = open_own(folder / EVENTS, ADOPT)
        try:
            samples = open_own(folder / SAMPLES, ADOPT | os.O_CREAT)
        except OSError:
            os.close(events)
            raise
        record = cls(folder, clock, events, samples)
        if not record.lock():
            record.close()
            return None
        record.events, record._whole[EVENTS] = _read_whole(events, _parse_event)
        entries, record._whole[SAMPLES] = _read_whole(samples, parse_entry)
        record.samples, record.notes = split_testimony(entries)
        return record

    def cut(self) -> None:
        """Cut off what could not be read of a record that was adopted. Raises OSError."""
        os.ftruncate(self._events.fileno(), self._whole[EVENTS])
        os.ftruncate(self._samples.fileno(), self._whole[SAMPLES])

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
        entry = {"at": moment, **event.facts()}
        line = json.dumps(entry, separators=(",", ":"), default=str) + "\n"
        with self._guard:
            self.events.append(entry)
            try:
                self._events.write(line.encode())
                os.fsync(self._events.fileno())
            except OSError as error:
                if not self._tolerant:
                    raise StackctlError(
                        f"the evidence cannot be written: {error.strerror}"
                    ) from error
                self.trouble = error.strerror or str(error)

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
        line = json.dumps(entry.facts(), separators=(",", ":")) + "\n"
        with self._guard:
            self._samples.write(line)

    def keep(self, name: str, text: str) -> None:
        """Write a file beside the events."""
        write_whole(self.folder / name, text)

    def hash(self, name: str) -> str:
        """Return the SHA-256 of a file of the record, in hexadecimal."""
        return hash_own(self.folder / name)

    def close(self) -> None:
        """Nothing more will be recorded."""
        self._events.close()
        try:
            self._samples.close()
        except OSError as error:
            raise StackctlError(f"the evidence cannot be written: {error.strerror}") from error

    def discard(self) -> None:
        """Leave no trace: nothing was released."""
        self._events.close()
        self._samples.close()
        remove_folder(self.folder)


def _parse_event(line: str) -> dict[str, Any]:
    event = json.loads(line)
    if not isinstance(event, dict) or not {"at", "event"} <= event.keys():
        raise ValueError(line)
    return event


def _read_whole(descriptor: int, parse: Callable[[str], Entry]) -> tuple[list[Entry], int]:
    """Return what lines say up to the first that cannot be read, and how many bytes these have."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        content = file.read()
    entries, whole = [], 0
    while (end := content.find(b"\n", whole)) >= 0:
        try:
            entries.append(parse(content[whole:end].decode()))
        except (ValueError, RecursionError):
            break
        whole = end + 1
    return entries, whole


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
