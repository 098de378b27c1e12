"""Files of `NAME=value` lines: `.env`, and the one that keeps the stack's secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from steps import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read(file: Path) -> str:
    """Return the text of a file; none where there is no file."""
    try:
        return file.read_text() if file.exists() else ""
    except OSError as error:
        raise SetupError(f"{file} cannot be read: {error.strerror}", f"ls -l {file}") from error


def value(text: str, wanted: str) -> str | None:
    """Find what the last line of that name says; None where there is none."""
    found = None
    for line in text.splitlines():
        name, separator, written = line.strip().removeprefix("export ").partition("=")
        if separator and name.strip() == wanted:
            found = written.split(" #")[0].strip().strip("'\"")
    return found


def extended(text: str, added: Mapping[str, str]) -> str:
    """Add lines at the end; every other line stays as it is."""
    gap = "" if not text or text.endswith("\n") else "\n"
    return text + gap + "".join(f"{name}={written}\n" for name, written in added.items())


def write(file: Path, text: str) -> None:
    """Write it in one move, for its owner only: nobody reads half of it, and nobody else any."""
    draft = file.with_name(f"{file.name}.draft")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        draft.replace(file)
    except OSError as error:
        raise SetupError(
            f"{file} cannot be written: {error.strerror}", f"ls -ld {file.parent}"
        ) from error
