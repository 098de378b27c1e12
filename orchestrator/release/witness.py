"""Whom a release calls as its witness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.gateway.container import fit_gateway
from orchestrator.stack import naming
from orchestrator.stack.arrival import GUEST, choose_host, list_hosts
from orchestrator.stack.calls import list_calls
from orchestrator.stack.hosts import covers
from orchestrator.stack.model import WitnessRequest
from orchestrator.stack.quantities import HTTPS, write_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.certificates.table import CertificateTable
    from orchestrator.engine.values import Container
    from orchestrator.evidence.notes import Note
    from orchestrator.evidence.samples import Sample
    from orchestrator.evidence.secure import SecureDoor
    from orchestrator.evidence.witness import Witness
    from orchestrator.gateway.apply import Gateway
    from orchestrator.gateway.config import Config
    from orchestrator.release.house import House
    from orchestrator.release.plan import Plan
    from orchestrator.stack.model import Service, Stack

HEARD_WITHIN = 5.0  # seconds; a witness that hears nothing is told of in its figures
LOOK_EVERY = 0.02


def call_witness(
    house: House,
    plan: Plan,
    gateway: Gateway,
    on_sample: Callable[[Sample], None],
    on_note: Callable[[Note], None] | None = None,
    *,
    promised: str | None = None,
) -> Witness | None:
    """Return a witness that runs; None where nobody is served yet or the service has no route.

    `promised` is the version that all users are to get in one step, if that is so. Where the active
    color does not run, or is not reached, nobody is served: what its users do not get now is not this
    release's doing.
    """
    unreached = plan.order.unreached
    serving = (r for r in plan.outgoing if r.container.running)
    if all(replica.container.name in unreached for replica in serving):
        return None
    service = plan.order.service
    versions = {
        naming.upstream_name(service, color): version for color, version in plan.versions.items()
    }
    return start_witness(
        house,
        service,
        gateway,
        on_sample,
        on_note,
        versions=versions,
        promised=promised,
        secure=find_secure_door(house, plan.gateway, plan.config),
    )


def find_secure_door(house: House, gateway: Container, served: Config) -> SecureDoor | None:
    """Return where a witness comes by TLS; None where the gateway has none, or where it is not reached.

    Where a proxy stands in front, by `gateway.url`, its certificate is checked as clients check it.
    Of an engine on another machine only the door without TLS is: it leads a witness nowhere else.
    """
    from orchestrator.evidence.secure import SecureDoor

    url = house.stack.gateway.url
    if url is not None:
        door = SecureDoor(url.address, served.certificates, url.named, trusted=True)
        return door if url.secure else None
    tls = fit_gateway(house.stack, gateway).gateway.tls
    if tls is None or not served.certificates or house.entrance is not None:
        return None
    host = find_free_name(house.stack, served.certificates, tls.listen.port)
    return SecureDoor(tls.listen.reachable, served.certificates, host)


def find_free_name(stack: Stack, table: CertificateTable, port: int) -> str | None:
    """Return a host that is served with TLS and that no route claims, as clients write it.

    By that one a service is reached that answers for every host; by another, perhaps not.
    """
    routes = [(service, route) for service in stack.services.values() for route in service.routes]
    claimed = [name for service, route in routes for name in list_hosts(service, route)]
    for service, route in routes:
        led = (*service.redirect_from, *route.redirect_from)
        claimed += [one.host for one in led if one.host]
    names = [name for one in table.certificates for name in one.names]
    free = (name for name in names if not any(covers(pattern, name) for pattern in claimed))
    name = next(free, "").replace("*", GUEST)
    return name + write_port(port, HTTPS) if name else None


def list_requests(service: Service) -> tuple[WitnessRequest, ...]:
    """Return what a witness asks, each by a host that leads to the service; nothing where it has no route."""
    if service.speaks_grpc:
        return list_calls(service)
    usual = tuple(WitnessRequest(path=route.path) for route in service.routes[:1])
    return tuple(_address(request, service) for request in service.witness or usual)


def list_websockets(service: Service) -> tuple[WitnessRequest, ...]:
    """Return the WebSockets that a witness opens."""
    paths = (route.websocket for route in service.routes if route.websocket)
    return tuple(_address(WitnessRequest(path=path), service) for path in paths)


def _address(request: WitnessRequest, service: Service) -> WitnessRequest:
    """Return a request that names its host, where its route has one."""
    host = request.host or choose_host(service, request.path.partition("?")[0])
    return request.model_copy(update={"host": host})


def await_first_answers(house: House, service: Service, samples: Sequence[Sample]) -> None:
    """Wait until the version that serves has answered each request once, at most `HEARD_WITHIN` seconds.

    What it answers is right of the next version too. A service that is closed tells nobody.
    """
    requests = list_requests(service)
    wanted = {one.name for one in requests if one.method in ("GET", "POST")}

    def heard() -> bool | None:
        return wanted <= {one.request for one in list(samples) if one.status is not None} or None

    poll(heard, clock=house.clock, every=LOOK_EVERY, within=HEARD_WITHIN)


def start_witness(  # noqa: PLR0913  what a witness is told
    house: House,
    service: str,
    gateway: Gateway,
    on_sample: Callable[[Sample], None],
    on_note: Callable[[Note], None] | None = None,
    *,
    versions: Mapping[str, str] | None = None,
    promised: str | None = None,
    secure: SecureDoor | None = None,
) -> Witness | None:
    """Return a witness of a service that runs; None where the service has no route.

    Raises GatewayError where the gateway cannot be told of it.
    """
    from orchestrator.evidence.witness import Witness

    stack, clock = house.stack, house.clock
    wanted = stack.services[service]
    requests = list_requests(wanted)
    if not requests:
        return None
    witness = Witness(
        house.door,
        requests,
        stack.gateway.keepalive,
        on_sample,
        lambda: clock.now().timestamp(),
        token=gateway.admit_witness(),
        versions=versions,
        promised=promised,
        websockets=list_websockets(wanted),
        on_note=on_note,
        secure=secure,
        cut=house.entrance.cut if house.entrance else None,
    )
    witness.start()
    return witness
