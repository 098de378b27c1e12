"""What is to be said of stack.yaml, of `.env`, of `reports/` and of the evidence's key. Pure."""

from __future__ import annotations

import stat
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.doctor.finding import Finding, approve, fault, warn
from orchestrator.doctor.gathering import Late

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from orchestrator.errors import StackctlError
    from orchestrator.stack.model import Stack

OLDEST_PYTHON = (3, 11)


class Kept(StrEnum):
    """What Git does with a file."""

    NOWHERE = "nowhere"  # there is no repository, or no Git
    IGNORED = "ignored"
    OPEN = "open"  # the next `git add` takes it
    TRACKED = "tracked"


class Rights(NamedTuple):
    """Who may do what with a file or folder."""

    mode: int
    owner: int  # user id
    mine: bool  # it belongs to who runs stackctl
    folder: bool = False
    writable: bool = True  # by who runs stackctl


def judge_python(version: tuple[int, int, int], own: str) -> Finding:
    """Say whether Python is new enough for this stackctl."""
    told = f"Python {'.'.join(map(str, version))}, stackctl {own}"
    if version[:2] < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return fault("python", told, f"install Python {oldest} or later, and stackctl with it")
    return approve("python", told)


def judge_stack(file: str, found: Stack | StackctlError, *, absent: bool) -> Finding:
    """Say whether stack.yaml is valid; one that nobody has named may be absent."""
    if isinstance(found, Late):
        return fault("stack", f"of `{file}` {found.message}", "put a plain file in its place")
    if isinstance(found, Exception):
        say = warn if absent else fault
        return say("stack", found.message, found.hint or "mend it, then `stackctl validate`")
    return approve("stack", f"`{file}` is valid: stack {found.name}")


def judge_variables(wanted: Collection[str], given: Collection[str]) -> Finding | None:
    """Say whether the variables that `secrets` name are set; nothing where none are wanted."""
    if not wanted:
        return None
    unset = sorted({*wanted} - {*given})
    if not unset:
        return approve("secrets", f"every variable is set, of {len(wanted)}")
    told = ", ".join(f"`{name}`" for name in unset)
    return fault(
        "secrets",
        f"{told} not set, of {len(wanted)} variables",
        "set them in the environment or in `.env` beside stack.yaml",
    )


def judge_volumes(shared: Mapping[str, Sequence[str]]) -> Finding:
    """Say whether two versions of a service would write to a volume; `shared` has mounts by service."""
    told = ", ".join(f"{name} `{mount}`" for name, mounts in shared.items() for mount in mounts)
    if not told:
        return approve(
            "volumes", "no two versions write to the same one, or that is said to be meant"
        )
    return warn(
        "volumes",
        f"while a release goes on, both versions write to them: {told}",
        "`strategy: recreate` where they must not, `:ro` where they need not, `:shared` where it is meant",
    )


def judge_env(rights: Rights | None, kept: Kept) -> Finding:
    """Say whether `.env` is for its owner's eyes only."""
    if rights is None or rights.folder:
        return approve(".env", "there is none: variables come from the environment")
    mode = f"{stat.S_IMODE(rights.mode):04o}"
    if kept is Kept.TRACKED:
        return fault(
            ".env",
            "is in version control, with all that it holds",
            "take it out (`git rm --cached .env`), add `.env` to `.gitignore`, and change its secrets",
        )
    if rights.mode & stat.S_IWOTH:
        return fault(".env", f"anybody may write to it (mode {mode})", "`chmod 600 .env`")
    return _find_exposure(rights, kept) or approve(".env", f"only its owner reads it (mode {mode})")


def _find_exposure(rights: Rights, kept: Kept) -> Finding | None:
    mode = f"{stat.S_IMODE(rights.mode):04o}"
    if rights.mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warn(".env", f"others may read it (mode {mode})", "`chmod 600 .env`")
    if not rights.mine:
        return warn(
            ".env",
            f"belongs to user {rights.owner}, who may change what stackctl reads",
            "`chown` it to who runs stackctl",
        )
    if kept is Kept.OPEN:
        return warn(".env", "Git does not ignore it", "add `.env` to `.gitignore`")
    return None


def judge_reports(
    rights: Rights | None,
    folder: Rights | None,
    trouble: StackctlError | None,
    named: Path | None = None,
) -> Finding:
    """Say whether evidence can be written to `reports/`, or to the `folder` that it is made in.

    The `rights` are those of a place that is `named`, where one is.
    """
    if trouble is not None:
        return fault("reports", trouble.message, trouble.hint or "put a folder in its place")
    if named is not None and rights is None:
        return approve("reports", f"`{named}` does not exist yet: the first release makes it")
    name = f"`{named or 'reports/'}`" if rights else "the folder of stack.yaml"
    return _judge_rights(name, rights or folder)


def _judge_rights(name: str, there: Rights | None) -> Finding:
    if there is None:
        return fault("reports", f"{name} does not exist", "name the file with `--file`")
    if not there.folder:
        return fault("reports", f"{name} is no folder", "move it away: stackctl makes a folder")
    if not there.writable:
        return fault(
            "reports",
            f"{name} belongs to user {there.owner}, and nothing can be written to it",
            "`chown` it to who runs stackctl",
        )
    if there.mode & stat.S_IWOTH:
        return warn("reports", f"anybody may change {name}", "take that right away: `chmod o-w`")
    return approve("reports", f"evidence can be written to {name}")


def judge_key(trouble: StackctlError | None, file: Rights | None, *, given: bool) -> Finding:
    """Say whether seals can be signed; `file` is the one that holds the key, where one does."""
    if trouble is not None:
        return fault("key", trouble.message, trouble.hint or "name a file that holds the key")
    if not given:
        return approve("key", "evidence is sealed and not signed: no key is set")
    if file is not None and file.mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(file.mode):04o}"
        return warn("key", f"others may read its file (mode {mode})", "`chmod 600` the file")
    return approve("key", "evidence is sealed and signed")
