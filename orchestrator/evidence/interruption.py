"""The evidence of releases that died: closed by whoever comes next, with what is known of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError
from orchestrator.events import Ended, Recovered
from orchestrator.evidence.closing import close_record
from orchestrator.evidence.record import EVENTS, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from orchestrator.clock import Clock


def close_interrupted(
    releases: Path, texts: Sequence[str], key: bytes | None, clock: Clock
) -> Iterator[tuple[str, str]]:
    """Close the records of all releases that died; yield each with its trouble, empty if none.

    `texts` say what was put right after them. A release whose process still lives, with another
    stack in the same folder, is left alone.
    """
    for path in sorted(releases.glob(f"*/{EVENTS}")):
        folder = path.parent
        if (folder / "evidence.json").exists():
            continue
        try:
            record = Record.adopt(folder, clock)
            if record is not None:
                yield folder.name, "; ".join(_close(record, texts, key, clock))
        except (StackctlError, OSError) as error:
            yield folder.name, error.message if isinstance(error, StackctlError) else str(error)


def _close(record: Record, texts: Sequence[str], key: bytes | None, clock: Clock) -> Sequence[str]:
    if not record.events or record.events[0]["event"] != "started":
        record.discard()  # it died before it had begun anything
        return ()
    # It ended when the last was heard of it, not when somebody came to look.
    first, last = record.events[0]["at"], record.events[-1]["at"]
    lasted = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    for text in texts:
        record.emit(Recovered(text), last)
    record.emit(Ended("interrupted", round(lasted.total_seconds(), 3)), last)
    return close_record(record, {}, None, key, clock)
