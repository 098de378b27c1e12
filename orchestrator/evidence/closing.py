"""The last files of a release: its evidence, the pages that show it, and the seal over all of them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError
from orchestrator.evidence import archive
from orchestrator.evidence.chain import (
    Sealed,
    last_in_line,
    read_head,
    seal_folder,
)
from orchestrator.evidence.lines import EVENTS, SAMPLES
from orchestrator.evidence.record import Record, hash_text
from orchestrator.evidence.seal import FILE
from orchestrator.evidence.summary import summarize, testify
from orchestrator.reports import hash_own, list_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from orchestrator.clock import Clock

COLUMN = re.compile(r"\[\n[\s\d.,eE+\-nul]*\n\s*\]")  # an array of nothing but numbers and nulls


def close_record(
    record: Record,
    texts: Mapping[str, str],
    traffic: Mapping[str, object] | None,
    key: bytes | None,
    clock: Clock,
) -> list[str]:
    """Write all that is drawn from a record; return what could not be shown, in words.

    Raises StackctlError where the evidence itself cannot be written.
    """
    record.close()
    for name, text in texts.items():
        record.keep(name, text)
    hashes = {name: record.hash(name) for name in (EVENTS, SAMPLES)}
    hashes |= {name: hash_text(text) for name, text in texts.items()}
    releases = record.folder.parent
    try:
        with last_in_line(releases, clock):
            head = read_head(releases)
            evidence = summarize(
                record.events,
                testify(record.events, record.samples, record.notes),
                traffic,
                hashes,
                _name_previous(record.folder, head),
            )
            troubles = _show(record, evidence, texts.get("nginx.diff", ""))
            record.keep(FILE, seal_folder(record.folder, head, key))
    except OSError as error:
        raise StackctlError(f"the evidence cannot be sealed: {error.strerror}") from error
    troubles += _attempt(archive.INDEX, lambda: archive.write_index(releases))
    troubles += _attempt("index.html", lambda: _write_catalogue(releases.parent))
    return troubles


def _write_catalogue(reports: Path) -> None:
    from orchestrator.catalogue.index import write_catalogue

    write_catalogue(reports)


def to_document(evidence: Mapping[str, object]) -> str:
    """Return evidence.json: indented, but a column of numbers is one line."""
    text = json.dumps(evidence, indent=2, default=str)
    return COLUMN.sub(lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


def _name_previous(folder: Path, head: Sealed | None) -> dict[str, str] | None:
    """Name the release before and its evidence; before the first seal, the newest that has some."""
    if head is not None:
        name = "evidence.json"
        return {"release": head.seal.release, "sha256": head.seal.files.get(name, "")}
    for other in reversed(list_folders(folder.parent)):
        if other != folder:
            with suppress(OSError):
                return {"release": other.name, "sha256": hash_own(other / "evidence.json")}
    return None


def _show(record: Record, evidence: Mapping[str, object], diff: str) -> list[str]:
    """Write the evidence for programs, then for people: a page that breaks stops nothing."""
    from orchestrator.evidence import report

    text = to_document(evidence)
    record.keep("evidence.json", text)
    written = json.loads(text)  # what is shown is what can be read again
    pages: dict[str, Callable[[], str]] = {
        "evidence.md": lambda: report.render_page(written, diff),
        "report.html": lambda: report.render_report(written, diff),
    }
    return [
        trouble
        for name, render in pages.items()
        for trouble in _attempt(name, partial(_keep, record, name, render))
    ]


def _keep(record: Record, name: str, render: Callable[[], str]) -> None:
    record.keep(name, render())


def _attempt(name: str, write: Callable[[], object]) -> list[str]:
    """Write something for people; return what went wrong, in words."""
    try:
        write()
    except Exception as error:  # noqa: BLE001  a page must not keep a release from ending
        what = error.message if isinstance(error, StackctlError) else repr(error)
        return [f"`{name}` was not written: {what}"]
    return []
