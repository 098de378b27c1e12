"""What the kernel of this machine says of a process."""

from __future__ import annotations

import os
import time
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")  # a second
MIB = 1024  # in the KiB that the kernel counts in


def now() -> float:
    """Return the seconds since the machine started: the clock on which processes have a start."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_memory(pid: int, entry: str = "VmRSS") -> float:
    """Return a figure of the memory of a process in MiB; 0 once it is gone or ending."""
    return parse_memory(_read(pid, "status"), entry)


def count_files(pid: int) -> int | None:
    """Return how many files a process has open; None where that is not ours to see."""
    try:
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except PermissionError:
        return None


def find_children(pid: int) -> list[int]:
    """Return the children of a process that has one thread; none once it is gone."""
    return [int(child) for child in _read(pid, f"task/{pid}/children").split()]


def read_title(pid: int) -> str:
    """Return what a process calls itself."""
    return _read(pid, "cmdline").replace("\0", " ").strip()


def read_start(pid: int) -> float | None:
    """Return the moment at which a process was started, on the clock of `now`; None if gone."""
    text = _read(pid, "stat")
    return parse_start(text) if text else None


def find_by_name(name: str) -> int | None:
    """Return a process that runs the program of this name."""
    for pid in _pids():
        if _read(pid, "comm").strip() == name:
            return pid
    return None


def find_session(leader: int) -> list[int]:
    """Return the processes of a session, its leader aside: what a command left behind."""
    return [pid for pid in _pids() if pid != leader and parse_session(_read(pid, "stat")) == leader]


def parse_memory(status: str, entry: str) -> float:
    """Read MiB from the text of /proc/PID/status; 0 where the entry is missing."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == entry:
            return int(value.split()[0]) / MIB
    return 0.0


def parse_start(stat: str) -> float:
    """Read field 22 of /proc/PID/stat, in seconds since the machine started."""
    return int(_fields(stat)[19]) / TICKS


def parse_session(stat: str) -> int:
    """Read field 6 of /proc/PID/stat; 0 where there is none, or only a zombie is left."""
    fields = _fields(stat)
    return int(fields[3]) if fields and fields[0] != "Z" else 0


def _fields(stat: str) -> list[str]:
    """Return the fields from the third on: the second is a name in brackets, of any characters."""
    return stat.rpartition(")")[2].split()


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
