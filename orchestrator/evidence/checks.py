"""What is checked of the files of one release, each by itself. Nothing is written."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.seal import FILE, NewerSchemaError, check_schema
from orchestrator.evidence.summary import SCHEMA
from orchestrator.reports import hash_own, read_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

EVIDENCE = "evidence.json"


class Misfit(Exception):
    """Something is not as it was written."""

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(f"{problem}: {detail}")
        self.problem = problem
        self.detail = detail


def read_evidence(path: Path) -> dict[str, Any]:
    """Return what evidence.json says. Raises Misfit."""
    try:
        evidence = json.loads(read_own(path).decode())
        check_schema(evidence, SCHEMA)
    except NewerSchemaError as error:
        raise Misfit("newer schema", f"`{EVIDENCE}`: {error}") from error
    except ValueError as error:
        raise Misfit("file changed", f"`{EVIDENCE}`: {error}") from error
    found: dict[str, Any] = evidence
    return found


def read_lines(path: Path) -> list[str]:
    """Return the lines of a raw file. Raises OSError, ValueError."""
    return [line for line in read_own(path).decode().split("\n") if line]


def check_files(folder: Path, names: Iterable[str]) -> None:
    """Raise Misfit where one of them is there, and is no file or has another name elsewhere."""
    for name in sorted(names):
        try:
            found = (folder / name).lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise Misfit("file changed", f"`{name}` is no file of its own")


def check_hashes(folder: Path, hashes: Mapping[str, str]) -> None:
    """Raise Misfit where a file is missing or has another hash."""
    for name, digest in sorted(hashes.items()):
        try:
            same = hash_own(folder / require_name(name)) == digest
        except FileNotFoundError as error:
            raise Misfit("file missing", f"`{name}`") from error
        except OSError as error:
            raise Misfit("file changed", f"`{name}`: {error.strerror}") from error
        if not same:
            raise Misfit("file changed", f"`{name}`")


def require_name(name: str) -> str:
    """Return what names something in a folder. Raises Misfit where it leads out of it."""
    if name.startswith("/") or {"", ".", ".."} & set(name.split("/")) or "\0" in name:
        raise Misfit(
            "file changed", f"`{EVIDENCE}` or `{FILE}` names `{name}`, which is no file here"
        )
    return name


def check_strays(names: Iterable[str], known: set[str]) -> None:
    """Raise Misfit where there is a file that no release has left."""
    for name in sorted(set(names) - known):
        raise Misfit("stray file", f"`{name}`")


def get_hashes(evidence: Mapping[str, Any]) -> dict[str, str]:
    """Return the hashes that evidence gives for the files beside it. Raises Misfit."""
    files = evidence.get("files")
    if not isinstance(files, dict):
        raise Misfit("file changed", f"`{EVIDENCE}` names no files")
    return files
