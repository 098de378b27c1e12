"""Whom a release calls as its witness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stack import naming
from orchestrator.stack.model import WitnessRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.evidence.notes import Note
    from orchestrator.evidence.samples import Sample
    from orchestrator.evidence.witness import Witness
    from orchestrator.gateway.apply import Gateway
    from orchestrator.release.house import House
    from orchestrator.release.plan import Plan


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
        house, service, gateway, on_sample, on_note, versions=versions, promised=promised
    )


def start_witness(
    house: House,
    service: str,
    gateway: Gateway,
    on_sample: Callable[[Sample], None],
    on_note: Callable[[Note], None] | None = None,
    *,
    versions: Mapping[str, str] | None = None,
    promised: str | None = None,
) -> Witness | None:
    """Return a witness of a service that runs; None where the service has no route.

    Raises GatewayError where the gateway cannot be told of it.
    """
    from orchestrator.evidence.witness import Witness

    stack, clock = house.stack, house.clock
    wanted = stack.services[service]
    requests = wanted.witness or tuple(
        WitnessRequest(path=route.path) for route in wanted.routes[:1]
    )
    if not requests:
        return None
    witness = Witness(
        stack.gateway.listen,
        requests,
        stack.gateway.keepalive,
        on_sample,
        lambda: clock.now().timestamp(),
        token=gateway.admit_witness(),
        versions=versions,
        promised=promised,
        websockets=[route.websocket for route in wanted.routes if route.websocket],
        on_note=on_note,
    )
    witness.start()
    return witness
