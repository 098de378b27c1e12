"""NGINX's workers: which accept connections, which are leaving, and what they still hold.

HUP returns before anything happened. What did happen is seen in the process table: a worker of the
old config is gone, or calls itself `worker process is shutting down`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# States in /proc/net/tcp, see proc_pid_net(5). A connect in progress belongs to a request as well.
ESTABLISHED, CONNECTING, LISTENING = "01", "02", "0A"
SOCKETS = ("cat", "/proc/net/tcp")


class Workers(NamedTuple):
    """The host pids of NGINX's workers."""

    accepting: frozenset[int]
    leaving: frozenset[int]


def parse_workers(processes: Mapping[int, str]) -> Workers:
    """Tell the workers in a process table apart."""
    workers = {pid: title for pid, title in processes.items() if "worker process" in title}
    leaving = frozenset(pid for pid, title in workers.items() if "shutting down" in title)
    return Workers(frozenset(workers) - leaving, leaving)


def count_connections(sockets: str, addresses: Collection[str], port: int) -> int:
    """Count the connections to `port` of any address in the text of /proc/net/tcp.

    Those that are still being made count, those that are closing do not.
    """
    wanted = {_to_kernel_form(address, port) for address in addresses if address}
    rows = [line.split() for line in sockets.splitlines()[1:]]
    counted = (ESTABLISHED, CONNECTING)
    return sum(1 for row in rows if len(row) > 3 and row[3] in counted and row[2] in wanted)


def listens(sockets: str, port: int) -> bool:
    """Tell whether something listens on `port`, from the text of /proc/net/tcp."""
    rows = [line.split() for line in sockets.splitlines()]
    return any(
        len(row) > 3 and row[3] == LISTENING and row[1].endswith(f":{port:04X}") for row in rows
    )


def _to_kernel_form(address: str, port: int) -> str:
    """Write an address as the kernel does on little-endian machines: `0100007F:1F90`."""
    octets = [int(part) for part in address.split(".")]
    return "".join(f"{octet:02X}" for octet in reversed(octets)) + f":{port:04X}"
