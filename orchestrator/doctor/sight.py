"""What is seen of this machine: rights of files, room on disks, what name servers know. Nothing is changed."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from typing import TYPE_CHECKING

from orchestrator.doctor.files import Kept, Rights
from orchestrator.gateway.admin import SERVED, WITNESS
from orchestrator.gateway.outside import Outside
from orchestrator.shell import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.stack.url import PublicUrl

PATIENCE = 3.0  # seconds for Git, or for an answer at a URL
# What a repository's own config might have Git start.
UNLED = ("-c", "core.fsmonitor=false")


def see_rights(path: Path) -> Rights | None:
    """Return who may do what with a file or folder, links followed; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    folder = stat.S_ISDIR(found.st_mode)
    wanted = os.W_OK | os.X_OK if folder else os.R_OK
    return Rights(
        mode=found.st_mode,
        owner=found.st_uid,
        mine=found.st_uid == os.geteuid(),
        folder=folder,
        writable=os.access(path, wanted),
    )


def see_kept(file: Path, environment: Mapping[str, str]) -> Kept:
    """Return what Git does with a file."""
    program = shutil.which("git", path=environment.get("PATH", ""))
    if program is None:
        return Kept.NOWHERE
    git = (program, *UNLED, "-C", str(file.parent))
    quiet = {**environment, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        if run((*git, "ls-files", "--error-unmatch", "--", file.name), quiet, PATIENCE).code == 0:
            return Kept.TRACKED
        code = run((*git, "check-ignore", "--quiet", "--", file.name), quiet, PATIENCE).code
    except OSError:
        return Kept.NOWHERE
    return {0: Kept.IGNORED, 1: Kept.OPEN}.get(code, Kept.NOWHERE)


def see_room(place: Path) -> int | None:
    """Return the bytes that are free on the disk of a folder; None where it is not on this machine."""
    try:
        found = os.statvfs(place)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def is_known(host: str) -> bool:
    """Whether a name server knows a host."""
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def find_miss(url: PublicUrl | None, *, runs: bool) -> str | None:
    """Return why a URL does not lead to a gateway that `runs`, in words, empty where it does; None: not asked."""
    return Outside(url, SERVED).find_miss(PATIENCE, WITNESS) if url and runs else None
