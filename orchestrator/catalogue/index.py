"""`reports/index.html`: all releases and all load tests on one page."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from orchestrator.catalogue.page import find_rows, render_catalogue
from orchestrator.catalogue.rows import BENCH, RELEASE, check_row, read_row
from orchestrator.errors import StackctlError
from orchestrator.reports import PUBLIC, list_folders, read_own, replace_own

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.catalogue.rows import Kind, Row

INDEX = "index.html"


def write_catalogue(reports: Path) -> None:
    """Write the page of what lies in a folder now. Raises StackctlError.

    What was left there does not change: only what the page before does not know is read. Of two
    that write at once the last one stays, and the next one adds what it has not seen.
    """
    index = reports / INDEX
    known = _read_known(index)
    releases = _list_rows(reports / "releases", RELEASE, known.get("releases", []))
    benches = _list_rows(reports / "bench", BENCH, known.get("benches", []))
    try:
        replace_own(index, render_catalogue(releases, benches).encode(), PUBLIC)
    except OSError as error:
        raise StackctlError(
            f"`{reports.name}/{INDEX}` cannot be written: {error.strerror}",
            "make room; the next release or load test writes it anew",
        ) from error


def _read_known(index: Path) -> Mapping[str, list[Any]]:
    try:
        return find_rows(read_own(index).decode())
    except (OSError, ValueError):
        return {}


def _list_rows(folder: Path, kind: Kind, found: list[Any]) -> list[Row]:
    """Return the rows of all folders, the newest first; those without a document are passed over."""
    known = {row["id"]: row for each in found if (row := check_row(kind, each))}
    paths = (each / kind.document for each in reversed(list_folders(folder)))
    rows = (
        known.get(path.parent.name) or _read(path, kind) for path in paths if os.path.lexists(path)
    )
    return [row for row in rows if row]


def _read(path: Path, kind: Kind) -> Row | None:
    try:
        document = json.loads(read_own(path))
    except (OSError, ValueError, RecursionError):
        return None
    page = next((name for name in kind.pages if path.with_name(name).exists()), kind.document)
    return read_row(kind, document, {"id": path.parent.name, "page": page})
