"""Lines that hang together: each ends with a digest of itself and of the line before. Pure.

With a key nobody else can make these digests, so a line is neither changed nor put in or left out without
it. Only the end may be missing: who dies writes no last line.

The first line of the events says which release it is, and the first of the witness follows on that one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS, SAMPLES = "events.jsonl", "witness.jsonl"
KEYED, PLAIN = "hmac-sha256", "sha256"
WIDTH = 32  # hexadecimal digits
LINE = re.compile(rf'(\{{.+),"chain":"([0-9a-f]{{{WIDTH}}})"\}}')


class Chain:
    """The end of a file to which lines are added."""

    def __init__(self, key: bytes | None, last: str) -> None:
        self.key = key
        self.last = last

    def link(self, text: str) -> str:
        """Return the line for a JSON object that is not empty; it is the last one from then on."""
        self.last = digest(self.key, self.last, text)
        return f'{text[:-1]},"chain":"{self.last}"}}\n'


def digest(key: bytes | None, last: str, text: str) -> str:
    """Return the digest of a line after the one whose digest was `last`."""
    told = f"{last}\n{text}".encode(errors="surrogatepass")
    made = hmac.digest(key, told, "sha256").hex() if key else hashlib.sha256(told).hexdigest()
    return made[:WIDTH]


def start_events(release: str) -> str:
    """Return what the first line of a release's events follows on."""
    return f"events {release}"


def start_samples(begin: str) -> str:
    """Return what the first line of the witness follows on: the digest of the first event."""
    return f"witness {begin}"


def read_digest(line: str) -> str:
    """Return the digest at the end of a line; empty where it has none."""
    found = LINE.fullmatch(line)
    return found[2] if found else ""


def read_begin(events: Sequence[str]) -> dict[str, Any] | None:
    """Return the first event of a release; None where it begins as before there were digests."""
    try:
        first = json.loads(events[0]) if events else None
    except (ValueError, RecursionError):
        return None
    return first if isinstance(first, dict) and first.get("event") == "begun" else None


def find_doubt(
    release: str, events: Sequence[str], samples: Sequence[str], key: bytes | None
) -> str | None:
    """Return why these lines cannot be those that a release has written; None where they can be.

    With a key they must be those of its owner. Lines that a key has chained say nothing without it.
    """
    begin = read_begin(events)
    if begin is None:
        return "it does not say how it began" if key else None
    if begin.get("release") != release:
        return f"it began as `{begin.get('release')}`"
    if begin.get("chained") != KEYED:
        if key:
            return "it began without the key"
    elif not key:
        return None
    files = {EVENTS: (start_events(release), events)}
    files[SAMPLES] = (start_samples(read_digest(events[0])), samples)
    for name, (start, lines) in files.items():
        number = _find_break(start, lines, key)
        if number is not None:
            with_key = " with this key" if key else ""
            return f"line {number} of `{name}` does not follow on the one before it{with_key}"
    return None


def _find_break(last: str, lines: Sequence[str], key: bytes | None) -> int | None:
    """Return the number of the first line that does not follow on the one before it."""
    for number, line in enumerate(lines, start=1):
        found = LINE.fullmatch(line)
        if not found or digest(key, last, f"{found[1]}}}") != found[2]:
            return number
        last = found[2]
    return None
