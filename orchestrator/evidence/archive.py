"""The folder of all releases: reading it, and the index beside it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from orchestrator.errors import ConfigurationError, show_controls
from orchestrator.evidence.record import write_whole
from orchestrator.evidence.shape import find_misfit
from orchestrator.reports import PUBLIC, list_folders, read_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

VERIFY = "see what does not fit: `stackctl evidence verify`"
INDEX = "EVIDENCE_ZERO_DOWNTIME.md"
HEAD = (
    "# Zero-downtime evidence",
    "",
    "Every release, newest first: what its witness sent through the switch, and what was lost.",
    "",
    "| release | service | version | outcome | sent | lost | longest gap, ms | seconds |",
    "|---|---|---|---|---|---|---|---|",
)


def read_releases(
    releases: Path, warn: Callable[[str], object] = lambda _: None
) -> Iterator[dict[str, Any]]:
    """Yield the evidence of all releases, newest first; folders without any are passed over.

    What cannot be read is left out as well, after a warning that names it.
    """
    for path in _list_evidence(releases):
        try:
            yield _read(path)
        except ValueError as error:
            warn(f"the evidence of `{path.parent.name}` is left out: {error}; {VERIFY}")


def find_release(releases: Path, release: str | None) -> dict[str, Any]:
    """Return a release's evidence, the newest without a name. Raises ConfigurationError."""
    for path in _list_evidence(releases):
        if release in (None, path.parent.name):
            try:
                return _read(path)
            except ValueError as error:
                what = f"the evidence of `{path.parent.name}` cannot be read: {error}"
                raise ConfigurationError(what, VERIFY) from error
    what = f"no evidence of `{release}`" if release else "no release has left evidence yet"
    raise ConfigurationError(f"{what} in `{releases}`", "list them: `stackctl history`")


def write_index(releases: Path) -> None:
    """Write the table of all releases beside their folder.

    What a release has left does not change: only those that the table does not know are read.
    """
    index = releases.parent / INDEX
    known = _read_rows(index)
    rows = []
    for path in _list_evidence(releases):
        try:
            rows.append(known.get(path.parent.name) or _to_row(_read(path)))
        except ValueError:
            continue  # `evidence verify` says so
    write_whole(index, "\n".join((*HEAD, *rows)) + "\n", PUBLIC)


def _list_evidence(releases: Path) -> list[Path]:
    found = (folder / "evidence.json" for folder in reversed(list_folders(releases)))
    return [path for path in found if os.path.lexists(path)]


def _read(path: Path) -> dict[str, Any]:
    """Return what an evidence.json says. Raises ValueError where it is none."""
    try:
        evidence: dict[str, Any] = json.loads(read_own(path))
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except RecursionError as error:
        raise ValueError(str(error)) from error
    misfit = find_misfit(evidence)
    if misfit is None and evidence["release"] != path.parent.name:
        misfit = f"it is that of `{evidence['release']}`"
    if misfit is not None:
        raise ValueError(misfit)
    return evidence


def _read_rows(index: Path) -> dict[str, str]:
    """Return the rows of the index by their releases; none where its columns were others."""
    try:
        lines = read_own(index).decode().splitlines()
    except (OSError, ValueError):
        return {}
    if tuple(lines[: len(HEAD)]) != HEAD:
        return {}
    rows = [line for line in lines[len(HEAD) :] if line.startswith("| [")]
    return {row[len("| [") :].partition("]")[0]: row for row in rows}


def _to_row(evidence: Mapping[str, Any]) -> str:
    what, witness = evidence["what"], evidence["witness"]
    page = f"releases/{evidence['release']}/evidence.md"
    service, version, outcome = map(
        _to_cell, (what["service"], what["version"], evidence["outcome"])
    )
    return (
        f"| [{evidence['release']}]({page}) | {service} | {version} |"
        f" {outcome} | {witness['sent']} | {witness['lost']} |"
        f" {witness['longest_gap_ms']} | {evidence['when']['seconds']:.1f} |"
    )


def _to_cell(text: str) -> str:
    return show_controls(" ".join(text.split())).replace("|", "\\|")
