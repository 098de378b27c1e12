"""The configs of a release in the gateway's volume: readied before they are needed, or discarded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from orchestrator.errors import GatewayError, StackctlError
from orchestrator.events import Emit, Warned
from orchestrator.gateway.apply import Config, Gateway
from orchestrator.gateway.render import render
from orchestrator.signals import put_off

if TYPE_CHECKING:
    from orchestrator.engine.base import Container
    from orchestrator.gateway.routing import Routing
    from orchestrator.release.house import House
    from orchestrator.release.plan import Route
    from orchestrator.stack.model import Stack


def open_gateway(house: House, container: Container) -> Gateway:
    """Return the gateway of a house."""
    return Gateway(house.engine, container, house.admin, house.clock)


def ready_configs(gateway: Gateway, route: Route) -> frozenset[int]:
    """Put both configs beside the one that serves; return the workers that accept now."""
    with ThreadPoolExecutor(max_workers=2) as beside:
        prepared = beside.submit(gateway.prepare)
        workers = beside.submit(gateway.workers)
        gateway.stage(route.staged, route.promoted)
    prepared.result()
    return workers.result().accepting


def switch_config(stack: Stack, gateway: Gateway, base: Routing, routing: Routing) -> None:
    """Have NGINX take up another routing, outside of a release, and forget all other configs.

    Raises GatewayError where it does not; then what served before serves again.
    """
    config = Config(routing, render(stack, routing))
    gateway.stage(config)
    known = gateway.workers().accepting
    with put_off():
        try:
            gateway.reload(config.routing.id)
            gateway.confirm(config.routing.id, known)
        except GatewayError:
            gateway.restore(base.id, known)
            raise
    gateway.discard(set(gateway.stored()) - {config.routing.id})


def discard_configs(gateway: Gateway, route: Route, emit: Emit) -> None:
    """Remove the configs that will not serve after all; what stays is in nobody's way."""
    try:
        gateway.discard(route.passing)
    except StackctlError as error:
        emit(Warned(f"two configs that never served stay until the next release: {error.message}"))
