"""The evidence of releases that died: closed by whoever comes next, with what is known of them.

A checkout may bring such folders as well. What no release can have left stays as it is.
"""

from __future__ import annotations

import stat
from datetime import datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import StackctlError
from orchestrator.events import Adopted, Ended, Idle, Recovered
from orchestrator.evidence.chain import list_files
from orchestrator.evidence.closing import close_record
from orchestrator.evidence.lines import EVENTS, SAMPLES
from orchestrator.evidence.record import Record
from orchestrator.evidence.shape import UNREADABLE, find_misfit
from orchestrator.evidence.summary import find_closed, summarize, testify
from orchestrator.reports import list_folders, read_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.clock import Clock


FIRST_WORD = b'{"at":"'


class Closed(NamedTuple):
    """What became of the record of a release that died."""

    release: str
    trouble: str = ""  # what of its evidence could not be written
    left: str = ""  # why it was not closed, but left as it is


class Unfit(Exception):
    """No release can have left this record."""


def close_interrupted(
    releases: Path, texts: Sequence[str], key: bytes | None, clock: Clock
) -> Iterator[Closed]:
    """Close the records of all releases that died; yield what became of each.

    `texts` say what was put right after them. A release whose process still lives, with another
    stack in the same folder, is left alone. Raises StackctlError where the folder of releases cannot
    be read.
    """
    for folder in list_folders(releases):
        try:
            if _is_there(folder / "evidence.json") or not _is_there(folder / EVENTS):
                continue
            record = Record.adopt(folder, clock)
            if record is not None:
                yield Closed(folder.name, "; ".join(_close(record, texts, key, clock)))
        except StackctlError as error:
            yield Closed(folder.name, left=error.message)
        except OSError as error:
            name = Path(error.filename or folder).name
            yield Closed(folder.name, left=f"`{name}`: {error.strerror}")
        except Unfit as error:
            yield Closed(folder.name, left=str(error))


def _is_there(path: Path) -> bool:
    """Tell whether a folder has something of that name. Raises OSError where it cannot be read."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _close(record: Record, texts: Sequence[str], key: bytes | None, clock: Clock) -> Sequence[str]:
    try:
        if _is_empty(record):
            record.discard()  # it died before it had begun anything
            return ()
        lasted = _check(record)
        doubt = record.doubt(key)
        key = None if doubt else key
        record.cut(key)
        # It ended when the last was heard of it, not when somebody came to look.
        last = record.events[-1]["at"]
        left_closed = _find_closed(record, clock)
        record.emit(Adopted(doubt), last)
        for text in texts:
            record.emit(Recovered(text), last)
        for closed in left_closed:
            record.emit(Idle(round(closed, 3), closed=True), last)
        record.emit(Ended("interrupted", lasted), last)
        return close_record(record, {}, None, key, clock)
    finally:
        record.close()


def _find_closed(record: Record, clock: Clock) -> list[float]:
    """Return for how many seconds users were told to come back until now, where it died so."""
    now = clock.now().timestamp()
    spans = find_closed(record.events)
    return [max(0.0, now - since) for since, until in spans if until == inf]


def _is_empty(record: Record) -> bool:
    """Tell whether there is nothing but what a release makes before its first word, or in it."""
    names = {path.name for path in record.folder.iterdir()}
    if names - {EVENTS, SAMPLES} or any(event["event"] != "begun" for event in record.events):
        return False
    *whole, torn = read_own(record.folder / EVENTS).split(b"\n")
    return len(whole) == len(record.events) and FIRST_WORD.startswith(torn[: len(FIRST_WORD)])


def _check(record: Record) -> float:
    """Return the seconds that a release lasted. Raises Unfit, with nothing changed, for any other."""
    for name in list_files(record.folder):
        found = (record.folder / name).lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise Unfit(f"`{name}` is no file of its own")
    first = next((event for event in record.events if event["event"] != "begun"), {})
    if first.get("event") != "started":
        raise Unfit(f"`{EVENTS}` does not begin as that of a release")
    last = record.events[-1]
    try:
        if first["release"] != record.release:
            raise Unfit(f"`{EVENTS}` is that of `{first['release']}`")
        lasted = datetime.fromisoformat(last["at"]) - datetime.fromisoformat(first["at"])
        seconds = round(lasted.total_seconds(), 3)
        ended = {"at": last["at"], **Ended("interrupted", seconds).facts()}
        witness = testify(record.events, record.samples, record.notes)
        misfit = find_misfit(summarize([*record.events, ended], witness, None, {}))
    except UNREADABLE as error:
        raise Unfit(f"a field of `{EVENTS}` is missing or of another kind: {error!r}") from error
    if misfit is not None:
        raise Unfit(f"`{EVENTS}`: {misfit}")
    return seconds
