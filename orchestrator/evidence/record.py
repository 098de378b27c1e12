"""The record of one release: events as they happen, files whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError
from orchestrator.files import find_free, replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.clock import Clock
    from orchestrator.events import Event
    from orchestrator.evidence.samples import Sample


class Record:
    """`reports/releases/<release>/` while the release runs."""

    def __init__(self, releases: Path, service: str, version: str, clock: Clock) -> None:
        # By time, so that names sort in the order of releases.
        named = f"{clock.now():%Y%m%d-%H%M%S}-{service}-{version}"
        self.folder = folder = find_free(releases, named)
        self.release = folder.name
        self.trouble = ""
        self.events: list[dict[str, object]] = []
        self.samples: list[Sample] = []
        self._clock = clock
        self._tolerant = False
        self._guard = threading.Lock()  # probes and the witness emit from threads of their own
        try:
            folder.mkdir(parents=True)
            self._events = (folder / "events.jsonl").open("ab", buffering=0)
            self._samples = (folder / "witness.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            raise StackctlError(
                f"no evidence can be written to `{folder}`: {error.strerror}",
                "a release without evidence is not started: make room or mend the rights",
            ) from error

    def emit(self, event: Event) -> None:
        """Append an event; it is on the disk when this returns."""
        entry = {"at": self._clock.now().isoformat(timespec="milliseconds"), **event.facts()}
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
        self._samples.write(json.dumps(sample.facts(), separators=(",", ":")) + "\n")

    def keep(self, name: str, text: str) -> None:
        """Write a file beside the events."""
        write_whole(self.folder / name, text)

    def hash(self, name: str) -> str:
        """Return the SHA-256 of a file of the record, in hexadecimal."""
        return hashlib.sha256((self.folder / name).read_bytes()).hexdigest()

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
        shutil.rmtree(self.folder)


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step. Raises StackctlError."""
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise StackctlError(f"`{path}` cannot be written: {error.strerror}") from error
