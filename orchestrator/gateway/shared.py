"""The config of the door that stacks on one machine share: which host leads to whose gateway. Pure.

It is an NGINX of its own before the gateways. With TLS it passes on bytes by the name that a client asks
for, so certificates, keys and HTTP/2 are each stack's own; without, requests by their `Host`. What a stack
has of it is a file of its own; no release changes any.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.gateway.addresses import AddressTable
from orchestrator.gateway.admin import TLS_PORT
from orchestrator.gateway.capacity import find_capacity
from orchestrator.gateway.config import IDENTITY, LAYOUT, Config, identify, read_head, write_head
from orchestrator.gateway.container import DOOR_RESOURCES
from orchestrator.gateway.files import config_folder
from orchestrator.gateway.lane import to_word
from orchestrator.gateway.render import MAP_WORDS, UNKNOWN, load_templates
from orchestrator.stack.forms import HOST_PATTERN
from orchestrator.stack.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.engine.values import Network

STACK = r"[a-z0-9-]{1,64}"
NOBODY_PORT = 8444  # inside of the door's container: whoever is led there is hung up on


@dataclass(frozen=True)
class Part:
    """What a stack has of the door."""

    address: str  # of its gateway, in the door's network
    hosts: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return its file: rows of a map of NGINX's."""
        rows = (f"{_escape(host)} {self.address};\n" for host in self.hosts)
        return "".join(rows)

    def facts(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"address": self.address, "hosts": list(self.hosts)}


Parts = dict[str, Part]  # by stack


def _escape(host: str) -> str:
    return f"\\{host}" if host in MAP_WORDS else host


def render_door(parts: Mapping[str, Part]) -> Config:
    """Return the config of the door."""
    ordered = dict(sorted(parts.items()))
    said = {"layout": LAYOUT, "parts": {stack: part.facts() for stack, part in ordered.items()}}
    beside = {f"parts/{stack}.hosts": part.text for stack, part in ordered.items()}
    usual = Gateway(
        image="nginx", resources=DOOR_RESOURCES
    )  # but for that as of a stack that says nothing
    text = (
        load_templates()
        .get_template("door.conf.j2")
        .render(
            head="\n".join(write_head({**said, "config": UNKNOWN})),
            identity=UNKNOWN,
            folder=config_folder(UNKNOWN),
            tls_port=TLS_PORT,
            nobody_port=NOBODY_PORT,
            capacity=find_capacity(usual),
            keepalive=usual.keepalive,
        )
    )
    identity = identify(text.replace(UNKNOWN, ""))
    return Config(identity, AddressTable(), text.replace(UNKNOWN, identity), beside=beside)


class Shared(NamedTuple):
    """What a config of the door says of itself."""

    id: str
    parts: Parts


def parse_door(text: str) -> Shared | None:
    """Read back what a config of the door says; None where it is none of ours.

    It goes into the next config, so it is held to what we could have written.
    """
    try:
        raw = read_head(text)
        if raw["layout"] != LAYOUT:
            return None
        parts = {to_word(stack, STACK): _to_part(part) for stack, part in raw["parts"].items()}
        return Shared(to_word(raw["config"], IDENTITY), parts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _to_part(raw: Any) -> Part:
    address, hosts = raw["address"], raw["hosts"]
    if not isinstance(address, str) or not isinstance(
        hosts, list
    ):  # a number would be an address too
        raise TypeError(raw)
    named = tuple(to_word(host, HOST_PATTERN) for host in hosts)
    return Part(str(ipaddress.IPv4Address(address)), named)


def find_claim(others: Mapping[str, Part], hosts: Iterable[str]) -> tuple[str, str] | None:
    """Return the first of these hosts that another stack has, and which one that is."""
    owners = {host: stack for stack, part in others.items() for host in part.hosts}
    return next(((host, owners[host]) for host in hosts if host in owners), None)


def find_own(network: Network) -> str:
    """Return the address of the door itself in its network. Raises StopIteration where it has none."""
    return next(iter(network.addresses))


def choose_address(network: Network, parts: Mapping[str, Part], stack: str) -> str | None:
    """Return where the gateway of a stack is in the door's network; None where that is full.

    It keeps the address that it has, or gets the first one that nobody has.
    """
    known = parts.get(stack)
    if known is not None and network.owns(known.address):
        return known.address
    taken = {find_own(network), *network.holders, *(part.address for part in parts.values())}
    return next((address for address in network.addresses if address not in taken), None)
