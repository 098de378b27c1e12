"""What is there: read from the engine's labels, the config that NGINX serves, and its lanes.

A snapshot takes a fixed number of engine calls, however many containers there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.certificates.table import NO_CERTIFICATES, CertificateTable
from orchestrator.errors import NotFound
from orchestrator.gateway.addresses import AddressTable, Upstream, fit_table
from orchestrator.gateway.config import Config, Earlier, Newer, parse_config
from orchestrator.gateway.container import find_front, fit_gateway
from orchestrator.gateway.files import CURRENT, lane_file
from orchestrator.gateway.lane import Lane, parse_lane
from orchestrator.gateway.render import render
from orchestrator.gateway.supplies import NO_SUPPLIES, Supplies
from orchestrator.release.replica import is_replica, to_replica
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.engine.values import Container, Named, Network
    from orchestrator.release.house import House
    from orchestrator.release.replica import Replica
    from orchestrator.stack.model import Color, Stack


NUMBER_OF_PORT = r"[1-9][0-9]{0,4}"
DOTTED = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"


@dataclass(frozen=True)
class Snapshot:
    """A stack as it was found."""

    replicas: tuple[Replica, ...] = ()
    aside: tuple[Replica, ...] = ()  # kept ones, while a candidate has their names and addresses
    gateway: Container | None = None
    lock: Container | None = None
    accessories: Mapping[str, Container] = field(default_factory=dict)
    migrations: tuple[Container, ...] = ()
    runs: tuple[Container, ...] = ()  # of single commands
    holders: tuple[Container, ...] = ()  # of volumes, for containers that are being made
    strangers: tuple[Container, ...] = ()  # labelled as ours, but not as we label
    network: Network | None = None
    lanes: Mapping[str, Lane] = field(default_factory=dict)  # who gets the traffic of each service
    config: Config | None = None  # what NGINX serves, or will when it comes back
    current: str = ""  # id of the config that the link names; differs after a crash
    strange: Earlier | Newer | None = None  # the config is of another stackctl's layout
    silent: bool = False  # NGINX runs and does not answer: all that is known is on its disk

    @property
    def table(self) -> AddressTable:
        """Return which addresses are given out."""
        return self.config.table if self.config else AddressTable()

    @property
    def certificates(self) -> CertificateTable:
        """Return which certificates are served."""
        return self.config.certificates if self.config else NO_CERTIFICATES

    @property
    def supplies(self) -> Supplies:
        """Return what the config that serves has beside itself."""
        return self.config.supplies if self.config else NO_SUPPLIES

    @property
    def taken(self) -> frozenset[str]:
        """Return the addresses that somebody has, or will have when it is started again."""
        holders = self.network.holders if self.network else {}
        replicas = (*self.replicas, *self.aside)
        own = (replica.container.labels.get(naming.ADDRESS, "") for replica in replicas)
        return frozenset((*holders, *own))

    def reaches(self, replica: Replica) -> bool:
        """Whether a replica runs, at the address that the gateway has for it."""
        address = self.table.address(replica.service, replica.color, replica.number)
        has = replica.container.addresses.get(self.network.name) if self.network else address
        return replica.container.running and address in (None, has)

    def lane(self, service: str) -> Lane:
        """Return who gets a service's traffic."""
        return self.lanes.get(service, Lane())

    def of(self, service: str, color: Color) -> tuple[Replica, ...]:
        """Return one color's replicas, in the order of their numbers."""
        found = (r for r in self.replicas if r.service == service and r.color == color)
        return tuple(sorted(found, key=lambda replica: replica.number))

    def active(self, service: str) -> tuple[Replica, ...]:
        """Return the replicas that users get."""
        live = self.live_color(service)
        return self.of(service, live) if live else ()

    def kept(self, service: str) -> tuple[Replica, ...]:
        """Return the replicas that a rollback goes back to."""
        live = self.live_color(service)
        return self.of(service, naming.other(live)) if live else ()

    def aside_of(self, service: str) -> tuple[Replica, ...]:
        """Return the replicas of a service that are set aside."""
        return tuple(replica for replica in self.aside if replica.service == service)

    def live_color(self, service: str) -> Color | None:
        """Return the color that users get."""
        active = self.lane(service).active
        return active.color if active else None

    def version(self, service: str) -> str:
        """Return the version that users get; empty where there is none."""
        active = self.lane(service).active
        return active.version if active else ""


def observe(house: House) -> Snapshot:
    """Look at the stack. Raises EngineError."""
    containers = house.engine.containers(house.stack.name)
    by_role: dict[str, list[Container]] = {}
    for container in filter(is_ours, containers):
        by_role.setdefault(container.labels[naming.ROLE], []).append(container)
    found = map(to_replica, by_role.get("service", ()))
    known = tuple(replica for replica in found if replica)
    replicas = tuple(replica for replica in known if replica.container.name == replica.name)
    gateway = next(iter(by_role.get("gateway", ())), None)
    present = frozenset(replica.service for replica in replicas)
    told = _read_gateway(house, gateway, present) if gateway else _Told()
    return Snapshot(
        replicas=replicas,
        aside=tuple(replica for replica in known if replica not in replicas),
        gateway=gateway,
        lock=next(iter(by_role.get("lock", ())), None),
        accessories={
            container.labels.get(naming.SERVICE, ""): container
            for container in by_role.get("accessory", ())
        },
        migrations=tuple(by_role.get("migration", ())),
        runs=tuple(by_role.get("run", ())),
        holders=tuple(by_role.get("holder", ())),
        strangers=tuple(container for container in containers if not is_ours(container)),
        network=house.engine.network(naming.network_name(house.stack.name)),
        **vars(told),
    )


def fit_config(
    stack: Stack,
    snapshot: Snapshot,
    table: AddressTable,
    candidate: tuple[str, Color] | None = None,
    certificates: CertificateTable | None = None,
    supplies: Supplies | None = None,
) -> Config:
    """Return the config of stack.yaml, in which colors keep what `table` gives them.

    Without `certificates` or `supplies`, those that are served stay.

    A service that the table does not list, since it has come back to stack.yaml, keeps the addresses
    that its containers have. A color whose addresses are of a network that is gone gets others: the
    next one may have another subnet. Raises ConfigurationError where addresses are missing.
    """
    network = snapshot.network
    pool = network.addresses if network else ()
    back = to_table(r for r in snapshot.replicas if r.service not in table.upstreams)
    known = AddressTable({**back.upstreams, **table.upstreams})
    known = known.only(network.owns) if network else known
    table = fit_table(known, stack, pool, snapshot.taken, candidate)
    served = snapshot.certificates if certificates is None else certificates
    kept = snapshot.supplies if supplies is None else supplies
    gateway = snapshot.gateway
    return render(fit_gateway(stack, gateway), table, served, kept, find_front(gateway))


def to_table(replicas: Iterable[Replica]) -> AddressTable:
    """Return the addresses that the labels of containers tell of, without those that tell of none."""
    colors: dict[str, dict[Color, dict[int, tuple[int, str]]]] = {}
    for replica in replicas:
        labels = replica.container.labels
        port, address = labels.get(naming.PORT, ""), labels.get(naming.ADDRESS, "")
        if re.fullmatch(NUMBER_OF_PORT, port) and re.fullmatch(DOTTED, address):
            found = colors.setdefault(replica.service, {}).setdefault(replica.color, {})
            found[replica.number] = (int(port), address)
    return AddressTable(
        {
            service: {
                color: Upstream(
                    next(port for port, _ in found.values()),
                    tuple(address for _, (_, address) in sorted(found.items())),
                )
                for color, found in by_color.items()
            }
            for service, by_color in colors.items()
        }
    )


def is_ours(container: Container | Named) -> bool:
    """Whether a container has the name that its labels lead to.

    Others may wear our labels: whatever is started by hand from an image that was built here does.
    """
    labels = container.labels
    role, service = labels.get(naming.ROLE), labels.get(naming.SERVICE, "")
    if role == "service":
        return is_replica(container)
    if role == "holder":
        return naming.is_holder(labels.get(naming.STACK, ""), container.name)
    parts = {
        "migration": f"{service}-migration",
        "run": f"{service}-run-{labels.get(naming.RELEASE, '')}",
        "accessory": service,
        "gateway": "gateway",
        "lock": "lock",
        "job": naming.job_lock(labels.get(naming.JOB, "")),
    }
    return role in parts and container.name == naming.part_name(
        labels.get(naming.STACK, ""), parts[role]
    )


@dataclass(frozen=True)
class _Told:
    """What the gateway says of itself, by the names that a snapshot has for it."""

    lanes: Mapping[str, Lane] = field(default_factory=dict)
    config: Config | None = None
    current: str = ""
    strange: Earlier | Newer | None = None
    silent: bool = False


def _read_gateway(house: House, gateway: Container, present: frozenset[str]) -> _Told:
    """Ask NGINX. A service that has come back to stack.yaml is not listed by it: its lane, with
    which users are served again, is read from the disk where containers of it are `present`.
    """
    text = house.admin.config() if gateway.running else ""
    if not text:
        return _read_volume(house, gateway)
    served = parse_config(text)
    if isinstance(served, Earlier | Newer):
        return _Told(served.lanes if isinstance(served, Earlier) else {}, strange=served)
    current = parse_config(house.admin.current())
    listed = served.table.upstreams if served else {}
    unlisted = present & house.stack.services.keys() - listed.keys()
    return _Told(
        lanes=house.admin.lanes() | _read_lanes(house, gateway, unlisted),
        config=served,
        current=current.id if isinstance(current, Config) else "",
    )


def _read_volume(house: House, gateway: Container) -> _Told:
    """Return what a gateway that does not answer has on its disk."""
    found = parse_config(_read(house, gateway, CURRENT))
    if isinstance(found, Earlier | Newer):
        lanes = found.lanes if isinstance(found, Earlier) else {}
        return _Told(lanes, strange=found, silent=gateway.running)
    return _Told(
        lanes=_read_lanes(house, gateway, found.table.upstreams if found else ()),
        config=found,
        current=found.id if found else "",
        silent=gateway.running,
    )


def _read_lanes(house: House, gateway: Container, services: Iterable[str]) -> dict[str, Lane]:
    """Return the lanes that lie on the gateway's disk, listed in its config or not."""
    found = {name: parse_lane(_read(house, gateway, lane_file(name))) for name in services}
    return {name: lane for name, lane in found.items() if lane is not None}


def _read(house: House, gateway: Container, path: str) -> str:
    try:
        return house.engine.read(gateway.id, path)
    except NotFound:
        return ""
