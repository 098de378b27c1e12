"""Who listens on this machine, as far as its kernel shows it: see proc_pid_net(5)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.doctor.ports import Listener
from orchestrator.sockets import LISTENING, parse_sockets

if TYPE_CHECKING:
    from collections.abc import Collection

PROC = Path("/proc")


def find_listeners(ports: Collection[int], proc: Path = PROC) -> tuple[Listener, ...] | None:
    """Return who listens on some ports; None where this system does not show it."""
    tables = [file for file in (proc / "net/tcp", proc / "net/tcp6") if file.is_file()]
    if not tables:
        return None
    found = [
        one
        for table in tables
        for one in parse_sockets(table.read_text())
        if one.state == LISTENING and one.local.port in ports
    ]
    names = _name_processes({one.inode for one in found}, proc)
    return tuple(
        Listener(str(one.local.address), one.local.port, names.get(one.inode, "")) for one in found
    )


def _name_processes(inodes: Collection[str], proc: Path) -> dict[str, str]:
    """Return the processes that have sockets; those of others are seen by root only."""
    names: dict[str, str] = {}
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    for folder in proc.glob("[0-9]*") if wanted else ():
        with suppress(OSError):  # it has ended, or is somebody else's
            for descriptor in (folder / "fd").iterdir():
                inode = wanted.get(_read_link(descriptor))
                if inode is not None:
                    command = (folder / "comm").read_text(errors="replace").strip()
                    names[inode] = f"`{command}` (process {folder.name})"
    return names


def _read_link(descriptor: Path) -> str:
    with suppress(OSError):
        return str(descriptor.readlink())
    return ""
