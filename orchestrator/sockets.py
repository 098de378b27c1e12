"""The sockets inside a container, as the kernel's tables tell of them: see proc_pid_net(5). Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SOCKETS = ("cat", "/proc/net/tcp", "/proc/net/tcp6")  # the command that prints the tables
# A connect in progress belongs to a request as well.
ESTABLISHED, CONNECTING, LISTENING = "01", "02", "0A"
HEADER = "local_address"  # in the first line of a table
ENDPOINT = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})")
RESOLVER = ipaddress.ip_address("127.0.0.11")  # the engine's own, in every container

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Endpoint(NamedTuple):
    """One end of a socket."""

    address: Address
    port: int


class Socket(NamedTuple):
    """A row of a table."""

    local: Endpoint
    remote: Endpoint
    state: str
    inode: str = ""  # by which the process that has it is found


def has_tables(text: str) -> bool:
    """Whether the command has printed a table: not every image has a `cat`."""
    return HEADER in text


def parse_sockets(text: str) -> Iterator[Socket]:
    """Yield the rows of the tables; what is none is passed over."""
    for row in (line.split() for line in text.splitlines()):
        ends = [ENDPOINT.fullmatch(word) for word in row[1:3]] if len(row) > 3 else []
        if len(ends) == 2 and ends[0] and ends[1]:
            inode = row[9] if len(row) > 9 else ""
            yield Socket(_read_endpoint(ends[0]), _read_endpoint(ends[1]), row[3], inode)


def count_connections(text: str, addresses: Collection[str], port: int) -> int:
    """Count the connections to `port` of any address.

    Those that are still being made count, those that are closing do not.
    """
    return sum(
        one.state in (ESTABLISHED, CONNECTING)
        and one.remote.port == port
        and str(one.remote.address) in addresses
        for one in parse_sockets(text)
    )


def find_listeners(text: str) -> dict[int, set[Address]]:
    """Return the addresses that are listened on, by port."""
    found: dict[int, set[Address]] = {}
    for one in parse_sockets(text):
        if one.state == LISTENING and one.local.address != RESOLVER:
            found.setdefault(one.local.port, set()).add(one.local.address)
    return found


def listens(text: str, port: int) -> bool:
    """Whether something listens on a port."""
    return port in find_listeners(text)


def _read_endpoint(found: re.Match[str]) -> Endpoint:
    """Read an end as the kernel of a little-endian machine writes it, in words of four bytes."""
    packed = bytes.fromhex(found[1])
    words = (packed[start : start + 4][::-1] for start in range(0, len(packed), 4))
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return Endpoint(mapped or address, int(found[2], 16))
