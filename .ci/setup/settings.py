"""Files of `NAME=value` lines: `.env`, and the one that keeps the stack's secrets."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from steps import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What means the same to everybody: in single quotes, in double quotes, or words without quotes.
_PLAIN = re.compile(
    r"""(?:'([^'\\]*)'|"([^"\\$]*)")(?:\s*#.*)?"""
    r"""|([^'"#$\s][^$\s]*(?: +[^#$\s][^$\s]*)*)?(?: +#.*)?"""
)


def read(file: Path) -> str:
    """Return the text of a file; none where there is no file."""
    try:
        return file.read_bytes().decode("utf-8-sig") if file.exists() else ""
    except OSError as error:
        raise SetupError(f"{file} cannot be read: {error.strerror}", f"ls -l {file}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{file} is not UTF-8 text: {error.reason}", f"file {file}") from error


def value(text: str, wanted: str) -> str | None:
    """Find what the last line of that name says; None where there is none.

    Raises SetupError for what takes all of Compose's rules to read: stackctl has a parser for these,
    and the set-up runs before anything is installed.
    """
    lines = re.findall(rf"^[^\S\n]*(?:export[^\S\n]+)?{wanted}[^\S\n]*=(.*)$", text, re.MULTILINE)
    if not lines:
        return None
    found = _unquoted(lines[-1])
    if found is None:
        raise SetupError(
            f"{wanted} is written in a way that the set-up does not read",
            f"write {wanted}='…' on one line, with no quote and no backslash inside",
        )
    return found


def extended(text: str, added: Mapping[str, str]) -> str:
    """Add lines at the end; every other line stays as it is."""
    gap = "" if not text or text.endswith("\n") else "\n"
    return text + gap + "".join(f"{name}={_quoted(plain)}\n" for name, plain in added.items())


def _unquoted(written: str) -> str | None:
    match = _PLAIN.fullmatch(written.strip())
    return match and next((group for group in match.groups() if group is not None), "")


def _quoted(plain: str) -> str:
    """Put a value into the quotes that it needs to be read back, or into none."""
    forms = (plain, f"'{plain}'", f'"{plain}"')
    return next(form for form in forms if _unquoted(form) == plain)


def write(file: Path, text: str) -> None:
    """Write it in one move, for its owner only: nobody reads half of it, and nobody else any."""
    draft = file.with_name(f"{file.name}.draft")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        draft.replace(file)
    except OSError as error:
        raise SetupError(
            f"{file} cannot be written: {error.strerror}", f"ls -ld {file.parent}"
        ) from error
