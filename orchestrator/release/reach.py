"""Whether the gateway can be asked from here, what it says of itself where it cannot, and whether
users get in.

Its admin address is on the loopback of the engine's host. In a container with the engine's socket, or
with an engine elsewhere, another loopback is asked, and whatever is healthy would seem to be gone.

That it answers there says nothing of the public door: what leads to that one can be gone alone, as
the engine's proxy or a firewall's rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.errors import EngineError, GatewayError
from orchestrator.gateway.admin import ADMIN_PORT, PUBLIC_PORT
from orchestrator.gateway.container import find_front, gateway_spec
from orchestrator.release.observe import observe
from orchestrator.sockets import SOCKETS, listens
from orchestrator.stack import naming
from orchestrator.stack.arrival import choose_host
from orchestrator.stack.quantities import HTTP, HTTPS, Address, write_host, write_port

if TYPE_CHECKING:
    from orchestrator.certificates.table import CertificateTable
    from orchestrator.engine.values import Container
    from orchestrator.gateway.admin import Admin
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot

LINES = 200  # of the log's end are looked through
SHOWN = 3  # lines
CLIENT = ", client: "  # from here on a line of NGINX's error log is about who asked for what
MENDS = "`stackctl up` mends it"
RECREATES = "`stackctl up --allow-downtime` recreates the gateway"


class Door(StrEnum):
    """How the public door is: who comes as users do is answered, or why not."""

    OPEN = "open"
    SHUT = "shut"  # NGINX answers behind it, and nothing leads there
    HALF = "half open"  # from this machine only nothing does; others come another way
    MOVED = "moved"  # it is published at another address than stack.yaml has
    GONE = "gone"  # the machine does not have its address any more
    DEAF = "deaf"  # NGINX does not answer behind it
    AWAY = "away"  # it is on another machine, and not reached from here
    ASTRAY = "astray"  # it is open, and `gateway.url` does not lead there
    APART = "apart"  # the door that stacks share does not lead there


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a door, and the next command."""

    text: str
    hint: str


def look_at_door(house: House, snapshot: Snapshot) -> Door:
    """Ask at the public door once; more only where nobody answers. The gateway must run."""
    if snapshot.gateway is None or house.admin.opens():
        return Door.OPEN
    listen = house.stack.gateway.listen
    if house.stack.gateway.door:
        return Door.APART
    if house.stack.gateway.url and house.admin.opens_behind():
        return Door.ASTRAY
    if house.admin.afar:
        return _look_from_afar(house.admin, listen, snapshot.gateway)
    return _look_from_here(house, snapshot, snapshot.gateway)


def _look_from_here(house: House, snapshot: Snapshot, gateway: Container) -> Door:
    """Tell what is wrong where the engine is on this machine, or should be."""
    listen = house.stack.gateway.listen
    host = snapshot.network.gateway if snapshot.network else ""  # the engine's own address
    if host and not house.admin.has(host):
        return Door.AWAY
    if gateway.doors.get(PUBLIC_PORT, listen) != listen:
        return Door.MOVED
    if not listen.everywhere and not house.admin.has(listen.host):
        return Door.GONE
    return _look_behind(house.admin, listen, gateway, host)


def _look_from_afar(admin: Admin, listen: Address, gateway: Container) -> Door:
    """Tell whose fault it is where the engine is on another machine: NGINX's, or the way's."""
    if gateway.doors.get(PUBLIC_PORT, listen) != listen:
        return Door.MOVED
    return Door.AWAY if admin.opens_inside() else Door.DEAF


def _look_behind(admin: Admin, listen: Address, gateway: Container, host: str) -> Door:
    """Ask at the other ways to the same listener."""
    if gateway.address and not admin.opens(Address(gateway.address, PUBLIC_PORT)):
        return Door.DEAF
    # What comes to the loopback takes another way into the container than what comes from outside.
    if listen.everywhere and host and admin.opens(Address(host, listen.port)):
        return Door.HALF
    return Door.SHUT


def describe_door(house: House, snapshot: Snapshot, door: Door) -> Trouble | None:
    """Say what is wrong with the public door; None where nothing is."""
    listen, gateway = house.stack.gateway.listen, snapshot.gateway
    if door is Door.ASTRAY:
        return Trouble(
            f"{house.stack.gateway.url} does not lead to this gateway: {house.admin.find_miss()}",
            f"the gateway is open at {listen}: look at the proxy in front, or correct `gateway.url`",
        )
    if door is Door.APART:
        told = f"the shared door at {listen} does not lead to this gateway"
        return Trouble(f"{told}: {house.admin.find_miss()}", MENDS)
    published = gateway.doors.get(PUBLIC_PORT, listen) if gateway else listen
    return {
        Door.OPEN: None,
        Door.SHUT: Trouble(f"nobody is answered at {listen}, though the gateway runs", MENDS),
        Door.HALF: Trouble(
            f"nobody on this machine is answered at {listen.reachable}; users of other machines are",
            "`stackctl up --allow-downtime` restarts the gateway",
        ),
        Door.MOVED: Trouble(
            f"the gateway is published at {published}, and stack.yaml says {listen}", RECREATES
        ),
        Door.GONE: Trouble(
            f"nobody is answered at {listen}: this machine does not have that address",
            f"give it back, or name another as `gateway.listen`: then {RECREATES}",
        ),
        Door.DEAF: Trouble(
            f"NGINX does not answer at {listen}, nor behind it at port {PUBLIC_PORT}",
            "it may have more to do than it can: `stackctl logs gateway`",
        ),
        Door.AWAY: Trouble(
            f"{house.door} is not reached from here: the engine is on another machine",
            "let this machine through its firewall; or listen on the loopback alone, as behind a proxy:"
            " then the engine's connection leads there"
            if house.admin.afar
            else "run stackctl on that machine, or forward this address to it as the admin address is",
        ),
    }[door]


def find_url(house: House, service: str, certificates: CertificateTable) -> str:
    """Return where people find a service: at `gateway.url`, by its name, or on this machine, or on the engine's where that
    is another one. With TLS where one of the certificates, which are served, names it.

    Empty where it has no route.
    """
    wanted = house.stack.services.get(service)
    if wanted is None or not wanted.routes:
        return ""
    path = wanted.routes[0].path
    named, tls = choose_host(wanted, path), house.stack.gateway.tls
    if house.stack.gateway.url:
        return f"{house.stack.gateway.url.of(named)}{path}"
    if tls is not None and named and certificates.of(named):
        return f"https://{named}{write_port(tls.listen.port, HTTPS)}{path}"
    host, port = house.entrance.shown if house.entrance else house.door
    return f"http://{named or write_host(host)}{write_port(port, HTTP)}{path}"


def require_door(house: House, service: str) -> None:
    """Raise GatewayError where whoever comes to a service as its users do is not answered.

    It is one question where all is well. Nobody comes to a service without routes.
    """
    wanted = house.stack.services[service]
    if not (wanted.routes or wanted.witness) or house.admin.opens():
        return
    snapshot = observe(house)
    if snapshot.gateway is None or not snapshot.gateway.running:
        return  # that is told by who needs it
    door, lane = look_at_door(house, snapshot), snapshot.lanes.get(service)
    if door is Door.ASTRAY and (lane is None or lane.active is None):
        return  # a proxy may wait for the first version before it leads anybody here
    trouble = describe_door(house, snapshot, door)
    if trouble is not None:
        raise GatewayError(trouble.text, trouble.hint)


def require_reachable(house: House, gateway: Container) -> None:
    """Raise GatewayError where NGINX takes connections, and none from here gets there."""
    for network in find_missing_networks(house, gateway):
        raise GatewayError(f"the gateway runs, and is not in the network `{network}`", MENDS)
    try:
        takes = listens(house.engine.execute(gateway.id, SOCKETS).text, ADMIN_PORT)
    except EngineError:  # it does not run any more, or has just begun to
        return
    if takes and house.admin.refused():
        raise GatewayError(
            f"the gateway runs, but nothing is reached at {house.stack.gateway.admin} from here",
            "run stackctl on the engine's host: that address is on its loopback; in a container, with"
            " the network of the host (`docker run --network host`); from elsewhere with"
            " `DOCKER_HOST=ssh://user@host`",
        )


def find_missing_networks(house: House, gateway: Container) -> tuple[str, ...]:
    """Return the networks that a gateway should be in and is not."""
    spec = gateway_spec(house.stack)
    shared = naming.network_name(naming.SHARED) if find_front(gateway) else None
    wanted = (spec.network, spec.edge, shared)
    return tuple(name for name in wanted if name and name not in gateway.addresses)


def read_complaints(house: House, gateway: Container) -> str:
    """Return the last lines in which NGINX complains."""
    return pick_complaints(house.engine.logs(gateway.id, tail=LINES)) or "its log does not say why"


def pick_complaints(log: str) -> str:
    """Return the last lines that are no access log, without what they say of clients."""
    lines = (line.strip() for line in log.splitlines())
    told = [line.partition(CLIENT)[0] for line in lines if line and not line.startswith("{")]
    return "\n".join(told[-SHOWN:])
