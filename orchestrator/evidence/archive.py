"""The folder of all releases: reading it, and the index beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.errors import ConfigurationError
from orchestrator.evidence.record import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

INDEX = "EVIDENCE_ZERO_DOWNTIME.md"
HEAD = (
    "# Zero-downtime evidence",
    "",
    "Every release, newest first: what its witness sent through the switch, and what was lost.",
    "",
    "| release | service | version | outcome | sent | lost | longest gap, ms | seconds |",
    "|---|---|---|---|---|---|---|---|",
)


def read_releases(releases: Path) -> Iterator[dict[str, Any]]:
    """Yield the evidence of all releases, newest first; folders without any are passed over."""
    for path in _list_evidence(releases):
        evidence = _read(path)
        if evidence is not None:
            yield evidence


def find_release(releases: Path, release: str | None) -> dict[str, Any]:
    """Return a release's evidence, the newest without a name. Raises ConfigurationError."""
    for evidence in read_releases(releases):
        if release in (None, evidence["release"]):
            return evidence
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
        row = known.get(path.parent.name)
        if row is None:
            evidence = _read(path)
            row = _to_row(evidence) if evidence else None
        if row is not None:
            rows.append(row)
    write_whole(index, "\n".join((*HEAD, *rows)) + "\n")


def _list_evidence(releases: Path) -> list[Path]:
    return sorted(releases.glob("*/evidence.json"), reverse=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        evidence = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return evidence if isinstance(evidence, dict) and "release" in evidence else None


def _read_rows(index: Path) -> dict[str, str]:
    """Return the rows of the index by their releases; none where its columns were others."""
    try:
        lines = index.read_text().splitlines()
    except (OSError, ValueError):
        return {}
    if tuple(lines[: len(HEAD)]) != HEAD:
        return {}
    rows = [line for line in lines[len(HEAD) :] if line.startswith("| [")]
    return {row[len("| [") :].partition("]")[0]: row for row in rows}


def _to_row(evidence: Mapping[str, Any]) -> str:
    what, witness = evidence["what"], evidence["witness"]
    page = f"releases/{evidence['release']}/evidence.md"
    return (
        f"| [{evidence['release']}]({page}) | {what['service']} | {what['version']} |"
        f" {evidence['outcome']} | {witness['sent']} | {witness['lost']} |"
        f" {witness['longest_gap_ms']} | {evidence['when']['seconds']:.1f} |"
    )
