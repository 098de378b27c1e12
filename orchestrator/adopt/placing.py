"""Puts stack.yaml, its schema and the lines of .gitignore where they belong: all or nothing, over nothing."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.files import read_file, replace_file
from orchestrator.stack.document import LARGEST_FILE, MEND
from orchestrator.stack.schema import FILE, write_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IGNORED = {  # what is to be ignored, and how others say so
    "backups/": ("backups/", "backups", "/backups/", "/backups"),
    "reports/": ("reports/", "reports", "/reports/", "/reports"),
    ".env": (".env", "/.env", ".env*", "*.env", ".env.*"),
}
NOTHING = "nothing was written: what `init` would make does not hold"
MEND_SOURCE = "mend what it was made of; the paths are those of stack.yaml"
KEEP = "nothing is overwritten: move it away, or name another with `--file`"


def refuse_existing(file: Path) -> None:
    """Raise ConfigurationError where something is already, be it a link that leads nowhere."""
    if os.path.lexists(file):
        raise ConfigurationError(f"`{file}` is there already", KEEP)
    if not file.parent.is_dir():
        raise ConfigurationError(f"`{file.parent}` is no folder", "make it first")


def place(file: Path, text: str, check: Callable[[Path], object]) -> list[str]:
    """Write the files, once the new one has passed the check, and return their names.

    A schema that is there stays, be it of an earlier stackctl: `stackctl schema` writes it anew. Raises ConfigurationError; then nothing was written.
    """
    refuse_existing(file)
    if len(text.encode()) > LARGEST_FILE:
        raise ConfigurationError(
            f"what `init` would write is larger than {LARGEST_FILE:,} bytes, the most of a stack.yaml",
            "name a compose file with a part of the services with `--from`",
        )
    ignore = file.parent / ".gitignore"
    try:
        before = _read_ignored(ignore)
        after = add_lines(before or b"")
        described = _place_all(file, text, check, (ignore, before, after))
    except OSError as error:
        raise ConfigurationError(f"`{file}` cannot be written: {error.strerror}") from error
    ignored = after != (before or b"")
    return [file.name, *([FILE] if described else []), *([ignore.name] if ignored else [])]


def add_lines(content: bytes) -> bytes:
    """Return a .gitignore with what is missing; what is there stays byte for byte."""
    there = {line.strip() for line in content.decode(errors="replace").splitlines()}
    missing = [line for line, others in IGNORED.items() if not there & {*others}]
    if not missing:
        return content
    end = b"\r\n" if b"\r\n" in content else b"\n"
    gap = end if content and not content.endswith(b"\n") else b""
    return content + gap + b"".join(line.encode() + end for line in missing)


def _read_ignored(ignore: Path) -> bytes | None:
    if ignore.is_symlink():
        raise ConfigurationError(
            f"`{ignore}` is a link", "make it a file: `init` adds lines to it, and follows no link"
        )
    try:
        return read_file(ignore)
    except FileNotFoundError:
        return None


def _place_all(
    file: Path,
    text: str,
    check: Callable[[Path], object],
    ignored: tuple[Path, bytes | None, bytes],
) -> bool:
    """Write all; return whether the schema was among it."""
    ignore, before, after = ignored
    schema, described = file.with_name(FILE), False
    staged = file.parent / f".{file.name[:200]}.{secrets.token_hex(8)}"
    try:
        replace_file(staged, text.encode())
        _check(staged, file, check)
        if after != (before or b""):
            replace_file(ignore, after)
        try:
            described = schema != file and _describe(schema)
            _move(staged, file)
        except BaseException:
            _put_back(ignore, before)
            if described:
                schema.unlink(missing_ok=True)
            raise
    finally:
        with suppress(FileNotFoundError):
            staged.unlink()
    return described


def _describe(schema: Path) -> bool:
    """Write what an editor completes and explains stack.yaml by, unless something has that name."""
    try:
        file = schema.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(write_schema())
    except OSError:
        schema.unlink(missing_ok=True)  # a full disk
        raise
    return True


def _check(staged: Path, file: Path, check: Callable[[Path], object]) -> None:
    try:
        check(staged)
    except StackctlError as error:
        hint = error.hint
        error.reword(lambda words: f"{NOTHING}. {words.replace(str(staged), file.name)}")
        error.hint = MEND_SOURCE if hint in (None, MEND) else hint
        raise


def _move(staged: Path, file: Path) -> None:
    """Give the file its name, unless something has got that name meanwhile."""
    try:
        os.link(staged, file)
    except FileExistsError as error:
        raise ConfigurationError(f"`{file}` is there already", KEEP) from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        refuse_existing(file)  # a disk without links
        staged.rename(file)


def _put_back(ignore: Path, before: bytes | None) -> None:
    if before is None:
        ignore.unlink(missing_ok=True)
    else:
        replace_file(ignore, before)
