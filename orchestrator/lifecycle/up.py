"""`up`: bring the stack to what stack.yaml says and touch nothing that is right already."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from orchestrator.certificates.records import require_permitted
from orchestrator.clock import poll
from orchestrator.errors import Interrupted
from orchestrator.events import Waiting, Warned
from orchestrator.jobs.conclusion import record_left
from orchestrator.lifecycle.accessory import bring_up_accessory, spec_of_accessory
from orchestrator.lifecycle.certification import gather_certificates
from orchestrator.lifecycle.door import Given, bring_up_gateway
from orchestrator.lifecycle.findings import Findings, tell_mended
from orchestrator.lifecycle.readiness import READY_EVERY, await_accessories
from orchestrator.lifecycle.renewal import take_in_issued
from orchestrator.lifecycle.sharing import join_door, refuse_claimed, settle_door
from orchestrator.lifecycle.supplying import gather_supply
from orchestrator.lifecycle.waking import wake_stopped
from orchestrator.release.externals import require_externals
from orchestrator.release.gateway import refuse_newer, require_protocols
from orchestrator.release.images import ensure_image
from orchestrator.release.lock import hold_lock, require_held
from orchestrator.release.observe import Snapshot, fit_config, observe
from orchestrator.release.ownership import names_of_stack, refuse_foreign, warn_of_unowned
from orchestrator.release.plan import Order
from orchestrator.release.reach import find_missing_networks, require_reachable
from orchestrator.release.recovery import recover
from orchestrator.release.rollout import release, take_back
from orchestrator.release.specs import is_made_from
from orchestrator.release.unit import find_own_version
from orchestrator.release.unnamed import refuse_loss, tell_of_left, warn_of_uncovered
from orchestrator.release.wellbeing import find_unreached
from orchestrator.stack import naming
from orchestrator.stack.unit import find_leader, list_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.engine.ports import Lease
    from orchestrator.engine.values import ContainerSpec, Image
    from orchestrator.release.house import House
    from orchestrator.release.result import Result


@dataclass(frozen=True)
class Convergence:
    """What `up` did."""

    gateway: str  # started, unchanged, reconfigured, restarted, recreated, moved over
    accessories: dict[str, str]
    services: tuple[Result, ...]
    warnings: tuple[str, ...] = field(default=())
    mended: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """Return the worst of the releases."""
        return max((result.exit_code for result in self.services), default=0)


def bring_up(
    house: House,
    *,
    allow_downtime: bool = False,
    wait: float = 0.0,
    asked: Order | None = None,
) -> Convergence:
    """Network, accessories, gateway, then the first release of every service.

    One service, with its companions, gets the version that is `asked` for.
    Accessories and the gateway are recreated only with `allow_downtime`; without it a change of
    theirs is a warning. Raises StackctlError where something does not come up.
    """
    images = _fetch_images(house)
    with hold_lock(house, "up", wait) as lease:
        gateway, accessories, findings = _bring_up_parts(
            house, lease, images, allow_downtime=allow_downtime
        )
        services: list[Result] = []
        snapshot = observe(house)
        unreached = _find_unreached(house, snapshot)
        for order in _orders(house, snapshot, unreached, asked):
            if services and services[-1].error and lease.held:
                recover(house, lease)  # or the next release would pass over what this one left
            left = wake_stopped(house, order, snapshot, lease, findings)
            result = release(house, left, lease)
            services.append(result)
            served = result.outcome in ("deployed", "unchanged")
            for name in sorted(order.unreached) if served else ():
                text = f"`{name}` ran, and was not reached: `{order.service}` was made anew"
                tell_mended(house, findings, text)
            if not served or isinstance(result.error, Interrupted):
                services += _take_back(house, services, order, lease)
                break  # whatever needs it would fail as well
        _end(house, lease, services, findings)
    for warning in findings.warnings:
        house.emit(Warned(warning))
    told = tuple(findings.warnings), tuple(findings.mended)
    return Convergence(gateway, accessories, tuple(services), *told)


def _end(house: House, lease: Lease, services: Sequence[Result], findings: Findings) -> None:
    """Put in order what is left; who wants to stop waits for no authority."""
    _forget_network(house)
    record_left(house)
    if not any(isinstance(one.error, Interrupted) for one in services):
        findings.warnings += take_in_issued(house, lease)


def refit(house: House, wait: float = 0.0) -> None:
    """Recreate the gateway and the accessories whose settings have changed; users notice that."""
    images = _fetch_images(house)
    with hold_lock(house, "refit", wait) as lease:
        _bring_up_parts(house, lease, images, allow_downtime=True)


def _bring_up_parts(
    house: House, lease: Lease, images: Mapping[str, Image], *, allow_downtime: bool
) -> tuple[str, dict[str, str], Findings]:
    """Bring up all but the services; return what that took, and what is to be told."""
    specs = {name: spec_of_accessory(house, name) for name in house.stack.accessories}
    findings = Findings(_look_first(house, specs, images, allow_downtime=allow_downtime))
    certification = gather_certificates(house)
    findings.warnings += certification.warnings
    supply = gather_supply(house)
    _ensure_networks(house)
    snapshot = observe(house)
    fit_config(house.stack, snapshot, snapshot.table)  # or it says now that addresses are missing
    accessories = {}
    for name, spec in specs.items():
        require_held(lease)
        found = snapshot.accessories.get(name)
        accessories[name] = bring_up_accessory(
            house, spec, found, findings, allow_downtime=allow_downtime
        )
    require_held(lease)
    with join_door(house) as place:
        gateway = bring_up_gateway(
            house,
            lease,
            snapshot,
            findings,
            Given(certification, supply, place),
            allow_downtime=allow_downtime,
        )
        findings.warnings += settle_door(house, place, snapshot.gateway)
    await_accessories(house)
    return gateway, accessories, findings


def _look_first(
    house: House,
    specs: Mapping[str, ContainerSpec],
    images: Mapping[str, Image],
    *,
    allow_downtime: bool,
) -> list[str]:
    """Return what is to be warned of. Raises StackctlError for what must not even begin."""
    snapshot = observe(house)
    refuse_newer(house.stack, snapshot)
    require_protocols(house.stack, snapshot)
    gateway = snapshot.gateway
    if snapshot.silent and gateway and not find_missing_networks(house, gateway):
        require_reachable(house, gateway)
    there = refuse_foreign(house, names_of_stack(house.stack))
    require_externals(house)
    refuse_claimed(house)
    tls = house.stack.gateway.tls
    if tls and tls.acme and tls.acme.dns:
        require_permitted(os.environ)
    warnings = warn_of_unowned(there)
    volumes = {one.name for one in there if one.kind == "volume"}
    for name, spec in specs.items():
        part, found = f"accessories.{name}", snapshot.accessories.get(name)
        warnings += warn_of_uncovered(part, images[spec.image], spec)
        if allow_downtime and found is not None and not is_made_from(found, spec):
            refuse_loss(house.engine, part, spec, found, volumes)
            warnings += tell_of_left([found])
    return warnings


def _ensure_networks(house: House) -> None:
    stack = house.stack
    labels = naming.labels(stack.name, "gateway")
    house.engine.ensure_network(
        naming.network_name(stack.name),
        labels,
        internal=stack.internal,
        subnet=str(stack.network.subnet) if stack.network.subnet else None,
    )
    if stack.internal:
        house.engine.ensure_network(naming.edge_name(stack.name), labels)


def _forget_network(house: House) -> None:
    """Remove the network that an earlier stackctl made, once no container is on it any more."""
    name = house.stack.name
    network = house.engine.network(name)
    if network is None or network.labels.get(naming.STACK) != name or network.holders:
        return
    if not any(name in found.addresses for found in house.engine.containers(name)):
        house.engine.remove_network(name)


def _find_unreached(house: House, snapshot: Snapshot) -> frozenset[str]:
    """Return the replicas that users should get, run, and are not reached by the gateway.

    One that has only just been started has as long as its service gives a candidate.
    """
    stack = house.stack
    running = [r for name in stack.services for r in snapshot.active(name) if r.container.running]
    lost = frozenset(r.container.name for r in running if not snapshot.reaches(r))

    def find_silent() -> frozenset[str]:
        return find_unreached(house, [r for r in running if r.container.name not in lost])

    silent = find_silent()
    if silent:
        late = [r for r in running if r.container.name in silent]
        within = max(stack.services[replica.service].health.deadline for replica in late)
        names = " and ".join(sorted(silent))
        house.emit(Waiting(f"until {names} is reached", within))
        gone = poll(
            lambda: not find_silent() or None, clock=house.clock, every=READY_EVERY, within=within
        )
        silent = frozenset() if gone else find_silent()
    return lost | silent


def _orders(
    house: House,
    snapshot: Snapshot,
    unreached: frozenset[str] = frozenset(),
    asked: Order | None = None,
) -> Iterator[Order]:
    """Yield a release for each service, those that others need, or that take others along, first.

    What serves keeps its version; with nothing to change its release ends as 'unchanged'. A companion
    gets that of its leader, as it has not where a command died between the two.
    """
    services = house.stack.services
    needs = {
        name: [
            need for need in (*service.needs, find_leader(house.stack, name)) if need in services
        ]
        for name, service in services.items()
    }
    for name in TopologicalSorter(needs).static_order():
        own = unreached & {replica.container.name for replica in snapshot.active(name)}
        if asked is not None and asked.service in (name, find_leader(house.stack, name)):
            yield replace(asked, service=name, unreached=own)
            continue
        active = snapshot.lane(name).active
        version = find_own_version(house.stack, snapshot, name)
        yield Order(name, version, command="up", build=active is None, unreached=own)


def _take_back(
    house: House, services: Sequence[Result], failed: Order, lease: Lease
) -> list[Result]:
    """Lead a unit back whose companion cannot get the version that its leader has.

    Not where that was not tried, as its image is missing, nor where somebody wants to stop: then the
    next `up` tries again. And not where its version is the right one, and only its settings are new.
    """
    leader, result = find_leader(house.stack, failed.service), services[-1]
    tried = result.planned and not isinstance(result.error, Interrupted)
    if leader is None or not tried or result.previous in (None, failed.version):
        return []
    unit = list_unit(house.stack, leader)
    why = result.error.message if result.error else result.outcome
    done = [one for one in services if one.service in unit]
    return take_back(house, done, replace(failed, reason=why), lease)


def _fetch_images(house: House) -> dict[str, Image]:
    """Return the images of all but the services, by their references."""
    stack = house.stack
    wanted = sorted({stack.gateway.image, *(part.image for part in stack.accessories.values())})
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda name: ensure_image(house.engine, name, house.emit), wanted)
        return dict(zip(wanted, found, strict=True))
