"""Whom a release calls as its witness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stack.model import WitnessRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.evidence.samples import Sample
    from orchestrator.evidence.witness import Witness
    from orchestrator.release.house import House
    from orchestrator.release.plan import Plan


def call_witness(house: House, plan: Plan, on_sample: Callable[[Sample], None]) -> Witness | None:
    """Return a witness that runs; None where nobody is served yet or the service has no route."""
    return None if plan.previous is None else start_witness(house, plan.order.service, on_sample)


def start_witness(
    house: House, service: str, on_sample: Callable[[Sample], None]
) -> Witness | None:
    """Return a witness of a service that runs; None where the service has no route."""
    from orchestrator.evidence.witness import Witness

    stack, clock = house.stack, house.clock
    wanted = stack.services[service]
    requests = wanted.witness or tuple(
        WitnessRequest(path=route.path) for route in wanted.routes[:1]
    )
    if not requests:
        return None
    gateway = stack.gateway
    witness = Witness(
        gateway.listen, requests, gateway.keepalive, on_sample, lambda: clock.now().timestamp()
    )
    witness.start()
    return witness
