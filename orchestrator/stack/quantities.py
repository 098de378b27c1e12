"""Quantities as people write them in stack.yaml: `0.5s`, `2m`, `16m`, `127.0.0.1:8081`.

They are parsed to numbers here, so nothing a person typed reaches the NGINX config as text.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from orchestrator.stack.forms import (
    ADDRESS,
    DURATION,
    FORMS,
    LARGEST,
    NETWORK,
    PUBLICATION,
    RATE,
    SIZE,
    SMALLEST,
    SUBNET,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse_seconds(value: object) -> object:
    """Turn `1.5s`, `200ms`, `2m`, `1h` or `7d` into seconds; leave anything else to the type check."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = isinstance(value, str) and re.fullmatch(DURATION, value)
    if not match:
        raise ValueError(f"expected {FORMS[DURATION]}")
    return float(match[1]) * _SECONDS[match[2]]


def write_seconds(seconds: float) -> str:
    """Return a duration as a person would write it: `100ms`, `1.5s`, `60s`, `5m`, `24h`, `7d`."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms" if seconds else "0s"
    longer = (("d", 86_400), ("h", 60), ("m", 60))  # a unit, and what it is written for
    fitting = (unit for unit, than in longer if seconds > than and not seconds % _SECONDS[unit])
    unit = next(fitting, "s")
    return f"{seconds / _SECONDS[unit]:g}{unit}"


def parse_bytes(value: object) -> object:
    """Turn `512k`, `16m` or `1g` into bytes (powers of 1024)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = isinstance(value, str) and re.fullmatch(SIZE, value)
    if not match:
        raise ValueError(f"expected {FORMS[SIZE]}")
    return int(match[1]) * _BYTES[match[2].lower()]


def write_bytes(count: int) -> str:
    """Return a size as a person would write it: `16m`, `1g`."""
    unit = next((unit for unit in "gmk" if count and not count % _BYTES[unit]), "")
    return f"{count // _BYTES[unit]}{unit}"


IPV4, IPV6 = "0.0.0.0", "::"  # noqa: S104  all addresses of a family; the second means both


def write_host(host: str) -> str:
    """Return a name or an address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


HTTP, HTTPS = 80, 443  # ports that no URL names


def write_port(port: int, usual: int) -> str:
    """Return what follows the host in a URL: nothing where the port is the usual one."""
    return "" if port == usual else f":{port}"


class Address(NamedTuple):
    """An IP address and a TCP port on the Docker host."""

    host: str
    port: int

    @property
    def everywhere(self) -> bool:
        """Whether it is at all addresses of the host; at least at those of IPv4."""
        return self.host in (IPV4, IPV6)

    @property
    def bindings(self) -> tuple[str, ...]:
        """Return the addresses that the engine is told: to it `::` is IPv6 alone."""
        return (IPV4, IPV6) if self.host == IPV6 else (self.host,)

    @property
    def is_ipv6_outside(self) -> bool:
        """Whether other machines come to it by IPv6."""
        address = ipaddress.ip_address(self.host)
        return address.version == 6 and not address.is_loopback

    @property
    def reachable(self) -> Address:
        """Return where this host finds it: what listens everywhere is also on the loopback."""
        return Address("127.0.0.1", self.port) if self.everywhere else self

    def __str__(self) -> str:
        """Return `host:port`, as it stands in a URL."""
        return f"{write_host(self.host)}:{self.port}"


def parse_address(value: object) -> object:
    """Turn `8080`, `127.0.0.1:8080` or `[::]:8080` into an Address; a bare port is at all of IPv4."""
    if isinstance(value, Address):
        return value
    match = not isinstance(value, bool) and re.fullmatch(ADDRESS, str(value))
    if not match or not 1 <= int(match[2]) <= 65535:
        raise ValueError(f"expected {FORMS[ADDRESS]}")
    written = match[1] or IPV4
    try:
        host = str(ipaddress.ip_address(written.strip("[]")))
    except ValueError as error:
        msg = "expected an IP address before the port"
        raise ValueError(msg) from error
    if (":" in host) != written.startswith("["):
        msg = "expected brackets around an IPv6 address, and around no other"
        raise ValueError(msg)
    return Address(host, int(match[2]))


class Published(NamedTuple):
    """A port of a container, and where the host has it."""

    address: Address
    port: int


def parse_publication(value: object) -> object:
    """Turn `127.0.0.1:5432:5432` into an address on the host's loopback and a port of the container."""
    if isinstance(value, Published):
        return value
    match = isinstance(value, str) and re.fullmatch(PUBLICATION, value)
    if not match or not 1 <= int(match[2]) <= 65535:
        raise ValueError(f"expected {FORMS[PUBLICATION]}")
    address = parse_address(match[1])
    assert isinstance(address, Address)  # noqa: S101  it is parsed, or refused
    return Published(address, int(match[2]))


class Rate(NamedTuple):
    """Requests per second or per minute."""

    requests: int
    per: str  # s, m

    @property
    def interval(self) -> float:
        """Seconds from one request to the next."""
        return self._span / self.requests

    @property
    def per_second(self) -> int:
        """Requests in one second, rounded up; exact, which 1 / interval is not."""
        return -(-self.requests // self._span)

    @property
    def _span(self) -> int:
        return 60 if self.per == "m" else 1

    def __str__(self) -> str:
        """Return it as NGINX writes it."""
        return f"{self.requests}r/{self.per}"


def parse_rate(value: object) -> object:
    """Turn `100/s` or `30/m` into a rate."""
    match = isinstance(value, str) and re.fullmatch(RATE, value)
    if not match:
        raise ValueError(f"expected {FORMS[RATE]}")
    return Rate(int(match[1]), match[2])


def parse_subnet(value: object) -> object:
    """Turn `10.77.0.0/24` into a network."""
    if isinstance(value, ipaddress.IPv4Network):
        return value
    try:
        network = ipaddress.IPv4Network(value) if isinstance(value, str) else None
    except ValueError:
        network = None
    if network is None or not LARGEST <= network.prefixlen <= SMALLEST or not network.is_private:
        raise ValueError(f"expected {FORMS[SUBNET]}")
    return network


Networks = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))


def parse_network(value: object) -> object:
    """Turn `10.0.0.7`, `10.0.0.0/8` or `fd00::/8` into a network; one of everybody is none."""
    if isinstance(value, Networks):
        return value
    try:
        network = ipaddress.ip_network(value) if isinstance(value, str) else None
    except ValueError:
        network = None
    if network is None or not network.prefixlen or "%" in str(network):
        raise ValueError(f"expected {FORMS[NETWORK]}")
    return network


def hold_host(networks: Iterable[Networks]) -> bool:
    """Whether programs on the host are among clients, which call themselves 127.0.0.1."""
    return any(map(is_loopback, networks))


def is_loopback(network: Networks) -> bool:
    """Whether a network is the host itself, as a program on it sees itself."""
    return any(network.version == own.version and network.overlaps(own) for own in LOOPBACK)


def may_be_of_engine(network: Networks) -> bool:
    """Whether a network may hold the address by which the engine's host comes into a container."""
    many = network.version == 4 and network.is_private and network.num_addresses > 1
    return many or is_loopback(network)


# What people write, for the schema of stack.yaml.
_Duration = float | Annotated[str, Field(pattern=DURATION)]
_Size = int | Annotated[str, Field(pattern=SIZE)]
_Door = Annotated[int, Field(ge=1, le=65535)] | Annotated[str, Field(pattern=ADDRESS)]
_Network = Annotated[str, Field(pattern=NETWORK)]
_Subnet = Annotated[str, Field(pattern=SUBNET)]
_Publication = Annotated[str, Field(pattern=PUBLICATION)]
WrittenRate = Annotated[str, Field(pattern=RATE)]

Seconds = Annotated[float, BeforeValidator(parse_seconds, json_schema_input_type=_Duration)]
Bytes = Annotated[int, BeforeValidator(parse_bytes, json_schema_input_type=_Size)]
HostAddress = Annotated[Address, BeforeValidator(parse_address, json_schema_input_type=_Door)]
Publication = Annotated[
    Published, BeforeValidator(parse_publication, json_schema_input_type=_Publication)
]
Peers = Annotated[Networks, BeforeValidator(parse_network, json_schema_input_type=_Network)]
Subnet = Annotated[
    ipaddress.IPv4Network, BeforeValidator(parse_subnet, json_schema_input_type=_Subnet)
]
RequestRate = Annotated[Rate, BeforeValidator(parse_rate, json_schema_input_type=WrittenRate)]
