"""Whom a release calls as its witness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.evidence.witness import Witness
from orchestrator.stack.model import WitnessRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.evidence.samples import Sample
    from orchestrator.release.plan import Plan
    from orchestrator.stack.model import Stack


def call_witness(stack: Stack, plan: Plan, on_sample: Callable[[Sample], None]) -> Witness | None:
    """Return a witness that runs; None where nobody is served yet or the service has no route."""
    if plan.previous is None:
        return None
    return start_witness(stack, plan.order.service, on_sample)


def start_witness(
    stack: Stack, service: str, on_sample: Callable[[Sample], None]
) -> Witness | None:
    """Return a witness of a service that runs; None where the service has no route."""
    wanted = stack.services[service]
    requests = wanted.witness or tuple(
        WitnessRequest(path=route.path) for route in wanted.routes[:1]
    )
    if not requests:
        return None
    witness = Witness(stack.gateway.listen, requests, stack.gateway.keepalive, on_sample)
    witness.start()
    return witness
