"""What a GitHub step leaves behind: its outputs, and the summary on the run's page."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.release.result import Result

LARGEST_SUMMARY = 1_000_000  # bytes; GitHub refuses a step's summary from 1 MiB


def write_outputs(
    environment: Mapping[str, str], result: Result, releases: Sequence[Result], folder: Path
) -> None:
    """Append the step's outputs; the `folder` is stack.yaml's. Raises StackctlError.

    `releases` are all that took place, in their order: the `result`, or what led to it, is of them.
    """
    folders = [str(folder / one.evidence) for one in releases if one.evidence]
    seals = [one.seal for one in releases if one.seal]
    values = {
        "outcome": result.outcome,
        "version": result.version,
        "release": result.release,
        "evidence": str(folder / result.evidence) if result.evidence else "",
        "head": seals[-1] if seals else "",
    }
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    # GitHub's form for more than one line, ended by what no folder has in its name.
    end = secrets.token_hex(16)
    lines += "\n".join([f"folders<<{end}", *folders, f"{end}\n"])
    _append(environment.get("GITHUB_OUTPUT"), lines)


def write_summary(environment: Mapping[str, str], page: str) -> None:
    """Append a page to the step's summary. Raises StackctlError."""
    whole = page.encode()
    if len(whole) > LARGEST_SUMMARY:
        page = (
            whole[:LARGEST_SUMMARY].decode(errors="ignore") + "\n\n(the rest is in evidence.md)\n"
        )
    _append(environment.get("GITHUB_STEP_SUMMARY"), f"{page}\n")


def _append(file: str | None, text: str) -> None:
    if not file:
        return
    try:
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise StackctlError(f"`{file}` cannot be written: {error.strerror}") from error
