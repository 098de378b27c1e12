"""Which addresses the replicas of each color have: what stack.yaml does not say of a config.

The table is kept: it stands in the config that serves, and each container's labels say the same. So
no edit of stack.yaml moves an address that a container has.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from orchestrator.errors import ConfigurationError
from orchestrator.gateway.lane import MOST_REPLICAS
from orchestrator.stack.model import Color

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from orchestrator.stack.model import Stack

COLORS: tuple[Color, ...] = get_args(Color)


@dataclass(frozen=True)
class Upstream:
    """How a color is reached: its port, and the address of each replica in order.

    Addresses are fixed ones. Where an engine has none, a name would stand in their place.
    """

    port: int
    addresses: tuple[str, ...]

    @property
    def servers(self) -> tuple[str, ...]:
        """Return each replica as `address:port`."""
        return tuple(f"{address}:{self.port}" for address in self.addresses)

    def address(self, replica: int) -> str | None:
        """Return the address of a replica by its number, from 1; None where it has none."""
        return self.addresses[replica - 1] if 1 <= replica <= len(self.addresses) else None


@dataclass(frozen=True)
class AddressTable:
    """The upstreams of all colors, by service and color."""

    upstreams: Mapping[str, Mapping[Color, Upstream]] = field(default_factory=dict)

    def of(self, service: str, color: Color) -> Upstream | None:
        """Return how a color is reached; None where it has no addresses yet."""
        return self.upstreams.get(service, {}).get(color)

    def require(self, service: str, color: Color) -> Upstream:
        """Return how a color is reached. Raises KeyError where it has no addresses."""
        return self.upstreams[service][color]

    def address(self, service: str, color: Color, replica: int) -> str | None:
        """Return the address of a replica by its number, from 1; None where it has none."""
        upstream = self.of(service, color)
        return upstream.address(replica) if upstream else None

    @property
    def addresses(self) -> frozenset[str]:
        """Return all addresses that are given out."""
        return frozenset(
            address
            for colors in self.upstreams.values()
            for upstream in colors.values()
            for address in upstream.addresses
        )

    def only(self, owned: Callable[[str], bool]) -> AddressTable:
        """Return the table without the colors that have an address which is not `owned`."""
        return AddressTable(
            {
                service: {
                    color: upstream
                    for color, upstream in colors.items()
                    if all(map(owned, upstream.addresses))
                }
                for service, colors in self.upstreams.items()
            }
        )

    def only_first(self, service: str, color: Color, replicas: int) -> AddressTable:
        """Return the table in which a color has at most so many replicas."""
        known = self.of(service, color)
        if known is None or len(known.addresses) <= replicas:
            return self
        fewer = Upstream(known.port, known.addresses[:replicas])
        return AddressTable({**self.upstreams, service: {**self.upstreams[service], color: fewer}})

    def has(self, stack: Stack) -> bool:
        """Whether every color of every service has its addresses, and every worker is listed."""
        return all(
            name in self.upstreams
            and self.upstreams[name].keys() == {*(() if service.is_worker else COLORS)}
            for name, service in stack.services.items()
        )

    def facts(self) -> dict[str, object]:
        """Return the table as JSON values."""
        return {
            service: {
                color: {"port": upstream.port, "addresses": list(upstream.addresses)}
                for color, upstream in colors.items()
            }
            for service, colors in self.upstreams.items()
        }


def fit_table(
    served: AddressTable,
    stack: Stack,
    pool: Iterable[str],
    taken: Collection[str],
    candidate: tuple[str, Color] | None = None,
) -> AddressTable:
    """Return the table that a config of stack.yaml needs.

    Colors keep what they have; only the `candidate`, which users do not get, takes the port and the
    number of replicas that stack.yaml has now. New addresses come from `pool`, without those that
    are `taken` and those that the served config still lists. A worker is listed, so that its lane is
    read with the others, and has no addresses. Raises ConfigurationError where there are not enough.
    """
    free = (address for address in pool if address not in served.addresses | {*taken})
    upstreams: dict[str, dict[Color, Upstream]] = {}
    for name, service in stack.services.items():
        colors = upstreams.setdefault(name, {})
        if service.port is None:
            continue
        for color in COLORS:
            known = served.of(name, color)
            wanted = known is None or candidate == (name, color)
            fitted = _fit(known, service.port, service.replicas, free) if wanted else known
            if fitted is None:
                raise _full(stack)
            colors[color] = fitted
    return AddressTable(upstreams)


def _fit(known: Upstream | None, port: int, replicas: int, free: Iterator[str]) -> Upstream | None:
    """Return the upstream with as many addresses as stack.yaml wants; None where too few are free."""
    addresses = list(known.addresses if known else ())[:replicas]
    while len(addresses) < replicas:
        address = next(free, None)
        if address is None:
            return None
        addresses.append(address)
    return Upstream(port, tuple(addresses))


def _full(stack: Stack) -> ConfigurationError:
    wanted = sum(2 * one.replicas for one in stack.services.values() if not one.is_worker)
    return ConfigurationError(
        f"the network of `{stack.name}` has no addresses left: its services need {wanted}, one for"
        " each replica of both colors",
        "give the stack a larger network: `network: {subnet: 10.77.0.0/20}` in stack.yaml",
    )


def parse_table(raw: Mapping[str, Any]) -> AddressTable:
    """Read a table from JSON values. Raises ValueError, KeyError, TypeError, AttributeError."""
    return AddressTable(
        {
            str(service): {
                color: _to_upstream(colors[color]) for color in COLORS if color in colors
            }
            for service, colors in raw.items()
        }
    )


def _to_upstream(raw: Mapping[str, Any]) -> Upstream:
    port, addresses = raw["port"], raw["addresses"]
    if type(port) is not int or not 1 <= port <= 65535:
        raise ValueError(port)
    if not isinstance(addresses, list) or not 1 <= len(addresses) <= MOST_REPLICAS:
        raise ValueError(addresses)
    if not all(isinstance(address, str) for address in addresses):  # a number would be one as well
        raise ValueError(addresses)
    return Upstream(port, tuple(str(ipaddress.IPv4Address(address)) for address in addresses))
