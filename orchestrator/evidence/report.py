"""The evidence as people read it: one page a release, and the index of all."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import ConfigurationError
from orchestrator.evidence.record import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Template

TEMPLATES = Path(__file__).parents[2] / "templates"
INDEX = "EVIDENCE_ZERO_DOWNTIME.md"


def render_page(evidence: Mapping[str, Any]) -> str:
    """Return evidence.md."""
    return _page().render(**evidence)


def read_releases(releases: Path) -> Iterator[dict[str, Any]]:
    """Yield the evidence of all releases, newest first; folders without any are passed over."""
    for path in sorted(releases.glob("*/evidence.json"), reverse=True):
        try:
            evidence = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(evidence, dict) and "release" in evidence:
            yield evidence


def find_release(releases: Path, release: str | None) -> dict[str, Any]:
    """Return a release's evidence, the newest without a name. Raises ConfigurationError."""
    for evidence in read_releases(releases):
        if release in (None, evidence["release"]):
            return evidence
    what = f"no evidence of `{release}`" if release else "no release has left evidence yet"
    raise ConfigurationError(f"{what} in `{releases}`", "list them: `stackctl history`")


def write_index(releases: Path) -> None:
    """Write the table of all releases beside their folder."""
    rows = [
        "# Zero-downtime evidence",
        "",
        "Every release, newest first: what its witness sent through the switch, and what was lost.",
        "",
        "| release | service | version | outcome | sent | lost | longest gap, ms | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [_to_row(evidence) for evidence in read_releases(releases)]
    write_whole(releases.parent / INDEX, "\n".join(rows) + "\n")


def _to_row(evidence: Mapping[str, Any]) -> str:
    what, witness = evidence["what"], evidence["witness"]
    page = f"releases/{evidence['release']}/evidence.md"
    return (
        f"| [{evidence['release']}]({page}) | {what['service']} | {what['version']} |"
        f" {evidence['outcome']} | {witness['sent']} | {witness['lost']} |"
        f" {witness['longest_gap_ms']} | {evidence['when']['seconds']:.1f} |"
    )


@cache
def _page() -> Template:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  this is Markdown
    )
    return environment.get_template("evidence.md.j2")
