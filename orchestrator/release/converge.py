"""`up`: bring the stack to what stack.yaml says and touch nothing that is right already."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import EngineError, GatewayError, Interrupted, NotFound
from orchestrator.events import Progress, Warned
from orchestrator.gateway.apply import Config, pack, pack_link
from orchestrator.gateway.render import CURRENT, FOLDER, render
from orchestrator.gateway.routing import Routing, parse_config
from orchestrator.gateway.workers import SOCKETS, listens
from orchestrator.release.configs import open_gateway, switch_config
from orchestrator.release.images import ensure_image
from orchestrator.release.lock import hold_lock, require_held
from orchestrator.release.observe import Snapshot, observe
from orchestrator.release.plan import Order
from orchestrator.release.recovery import settle
from orchestrator.release.repair import await_gateway, discard_strays, put_right
from orchestrator.release.rollout import release
from orchestrator.release.specs import accessory_spec, gateway_spec, pick_secrets
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.base import Container, ContainerSpec, Lease
    from orchestrator.release.house import House
    from orchestrator.release.result import Result

READY_EVERY = 0.2


@dataclass(frozen=True)
class Convergence:
    """What `up` did."""

    gateway: str  # started, unchanged, reconfigured, recreated
    accessories: dict[str, str]
    services: tuple[Result, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """Return the worst of the releases."""
        return max((result.exit_code for result in self.services), default=0)


def bring_up(house: House, *, allow_downtime: bool = False, wait: float = 0.0) -> Convergence:
    """Network, accessories, gateway, then the first release of every service.

    Accessories and the gateway are recreated only with `allow_downtime`; without it a change of
    theirs is a warning. Raises StackctlError where something does not come up.
    """
    _fetch_images(house)
    with hold_lock(house, "up", wait) as lease:
        gateway, accessories, warnings = _bring_up_parts(
            house, lease, allow_downtime=allow_downtime
        )
        services: list[Result] = []
        for order in _orders(house, observe(house)):
            if services and services[-1].error and lease.held:
                put_right(house, lease)  # or the next release would pass over what this one left
            result = release(house, order, lease)
            services.append(result)
            served = result.outcome in ("deployed", "unchanged")
            if not served or isinstance(result.error, Interrupted):
                break  # whatever needs it would fail as well
    for warning in warnings:
        house.emit(Warned(warning))
    return Convergence(gateway, accessories, tuple(services), tuple(warnings))


def refit(house: House, wait: float = 0.0) -> None:
    """Recreate the gateway and the accessories whose settings have changed; users notice that."""
    _fetch_images(house)
    with hold_lock(house, "refit", wait) as lease:
        _bring_up_parts(house, lease, allow_downtime=True)


def _bring_up_parts(
    house: House, lease: Lease, *, allow_downtime: bool
) -> tuple[str, dict[str, str], list[str]]:
    """Bring up all but the services; return what that took, and what was left as it is."""
    stack = house.stack
    labels = naming.labels(stack.name, "gateway")
    house.engine.ensure_network(stack.name, labels, internal=stack.internal)
    if stack.internal:
        house.engine.ensure_network(naming.edge_name(stack.name), labels)
    snapshot = observe(house)
    warnings: list[str] = []
    accessories = {}
    for name, wanted in stack.accessories.items():
        secrets = pick_secrets(wanted.secrets, house.variables, f"accessories.{name}")
        require_held(lease)
        accessories[name] = _bring_up_part(
            house,
            accessory_spec(stack, name, secrets),
            snapshot.accessories.get(name),
            warnings,
            allow_downtime=allow_downtime,
        )
    require_held(lease)
    gateway = _bring_up_gateway(house, lease, snapshot, warnings, allow_downtime=allow_downtime)
    _await_accessories(house)
    return gateway, accessories, warnings


def _orders(house: House, snapshot: Snapshot) -> Iterator[Order]:
    """Yield a release for each service, those that others need first.

    What serves keeps its version; with nothing to change its release ends as 'unchanged'.
    """
    services = house.stack.services
    needs = {
        name: [need for need in service.needs if need in services]
        for name, service in services.items()
    }
    for name in TopologicalSorter(needs).static_order():
        active = snapshot.lane(name).active
        version = active.version if active else services[name].version
        yield Order(name, version, command="up", build=active is None)


def _fetch_images(house: House) -> None:
    stack = house.stack
    references = {stack.gateway.image} | {part.image for part in stack.accessories.values()}
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(
            pool.map(lambda name: ensure_image(house.engine, name, house.emit), sorted(references))
        )


def _bring_up_part(
    house: House,
    spec: ContainerSpec,
    found: Container | None,
    warnings: list[str],
    *,
    allow_downtime: bool,
) -> str:
    """Run one container as wanted and say what that took."""
    if found is not None and found.labels.get(naming.SPEC) != spec.labels[naming.SPEC]:
        if not allow_downtime:
            warnings.append(
                f"`{spec.name}` runs with other settings than stack.yaml has now;"
                " `stackctl up --allow-downtime` recreates it"
            )
        else:
            with put_off():  # what was taken away comes back
                house.engine.stop(found.id, spec.stop_grace)
                house.engine.remove(found.id)
                _run(house, spec)
            return "recreated"
    if found is None:
        _run(house, spec)
        return "started"
    if not found.running:
        house.engine.start(found.id)
        return "started"
    return "unchanged"


def _run(house: House, spec: ContainerSpec) -> str:
    house.emit(Progress(f"starting {spec.name}"))
    labels = naming.labels(house.stack.name, "accessory")
    for volume in spec.volumes:
        house.engine.ensure_volume(volume.name, labels)
    return house.engine.run(spec)


def _bring_up_gateway(
    house: House, lease: Lease, snapshot: Snapshot, warnings: list[str], *, allow_downtime: bool
) -> str:
    spec = gateway_spec(house.stack)
    found = snapshot.gateway
    outdated = found is not None and found.labels.get(naming.SPEC) != spec.labels[naming.SPEC]
    unborn = found is not None and found.state == "created"  # its maker died before it was whole
    if found is None or unborn or (outdated and allow_downtime):
        with put_off():  # users would be left without a door
            if found is not None:
                house.engine.stop(found.id, spec.stop_grace)
                house.engine.remove(found.id)
            _boot_gateway(house, spec, replace(snapshot, routing=None) if unborn else snapshot)
        put_right(house, lease)
        return "recreated" if found else "started"
    done = _bring_up_part(house, spec, found, warnings, allow_downtime=False)
    await_gateway(house)
    put_right(house, lease)
    if found is not None:
        discard_strays(house, found)  # a release that could not put its own away has said so
    return "reconfigured" if _reconfigure(house) else done


def _boot_gateway(house: House, spec: ContainerSpec, snapshot: Snapshot) -> None:
    """Create the gateway with a whole config before NGINX looks for one."""
    house.emit(Progress(f"starting {spec.name}"))
    for volume in spec.volumes:
        house.engine.ensure_volume(volume.name, naming.labels(house.stack.name, "gateway"))
    container = house.engine.create(spec)
    try:
        known = snapshot.routing and settle(snapshot.routing)
        routing = known or _left_behind(house, container, snapshot)
        routing = replace(routing, id=f"{_name(house)}.boot")
        house.engine.write(container, FOLDER, pack(Config(routing, render(house.stack, routing))))
        house.engine.write(container, FOLDER, pack_link("current", routing.id))
        house.engine.start(container)
        await_gateway(house)
    except (EngineError, GatewayError):
        house.engine.remove(container)
        raise


def _left_behind(house: House, container: str, snapshot: Snapshot) -> Routing:
    """Return what a gateway that is gone has left in its volume, as far as it still runs."""
    try:
        routing = parse_config(house.engine.read(container, CURRENT))
    except NotFound:
        routing = None
    lanes = {
        name: lane
        for name, lane in (settle(routing).lanes if routing else {}).items()
        if lane.active
        and any(replica.container.running for replica in snapshot.of(name, lane.active.color))
    }
    return Routing("", lanes)


def _reconfigure(house: House) -> bool:
    """Bring changed settings of stack.yaml into the config that serves, if there are any."""
    snapshot = observe(house)
    if snapshot.gateway is None or snapshot.routing is None:
        return False
    if render(house.stack, snapshot.routing) == snapshot.config:
        return False
    gateway = open_gateway(house, snapshot.gateway)
    wanted = house.stack.services.keys()
    lanes = {name: lane for name, lane in snapshot.routing.lanes.items() if name in wanted}
    routing = Routing(f"{_name(house)}.converge", lanes)
    try:
        switch_config(house.stack, gateway, snapshot.routing, routing)
    finally:
        gateway.close()
    return True


def _name(house: House) -> str:
    return f"{house.clock.now():%Y%m%d-%H%M%S-%f}-up"


def _await_accessories(house: House) -> None:
    for name, accessory in house.stack.accessories.items():

        def ready(name: str = name, port: int = accessory.port) -> bool | None:
            found = observe(house).accessories.get(name)
            if found is None or not found.running:
                return None
            if found.health:
                return found.health == "healthy" or None
            return listens(house.engine.execute(found.id, SOCKETS).text, port) or None

        if not poll(ready, clock=house.clock, every=READY_EVERY, within=accessory.deadline):
            found = observe(house).accessories.get(name)
            said = house.engine.logs(found.id, tail=5).strip() if found else "it is gone"
            raise EngineError(
                f"accessory `{name}` is not ready after {accessory.deadline:g} s: {said}",
                f"see `stackctl logs {name}`",
            )
