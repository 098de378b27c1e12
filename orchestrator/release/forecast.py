"""`plan` and `render`: what would be done, and what would be served, without touching anything."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import NotFound, StackctlError
from orchestrator.gateway.render import render
from orchestrator.gateway.routing import Lane, Routing, Target
from orchestrator.release.observe import Snapshot, observe
from orchestrator.release.plan import Order, plan_release, plan_route
from orchestrator.release.rollout import require_service
from orchestrator.release.specs import pick_secrets
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.release.house import House

UNBUILT = "not built yet"


@dataclass(frozen=True)
class Forecast:
    """What a release would do."""

    service: str
    version: str
    previous: str | None
    color: str
    unchanged: bool
    steps: tuple[str, ...]
    diff: str


def forecast(house: House, service: str | None, version: str | None) -> list[Forecast]:
    """Return what deploying would do, for one service or for all at the versions they have."""
    if service is not None:
        require_service(house, service)
    elif version is not None:
        raise StackctlError("`--version` needs a service", "stackctl plan SERVICE --version V")
    snapshot = observe(house)
    names = [service] if service else list(house.stack.services)
    return [_forecast(house, snapshot, name, version) for name in names]


def render_current(house: House) -> str:
    """Return nginx.conf for what serves now; where nothing does, as after a first release."""
    routing = observe(house).routing
    if routing is None:
        lanes = {
            name: Lane(Target("blue", service.version, service.replicas, "first"))
            for name, service in house.stack.services.items()
        }
        routing = Routing("first", lanes)
    return render(house.stack, routing)


def _forecast(house: House, snapshot: Snapshot, name: str, version: str | None) -> Forecast:
    service = house.stack.services[name]
    active = snapshot.lane(name).active
    wanted = version or (active.version if active else service.version)
    secrets = pick_secrets(service.secrets, house.variables, f"services.{name}")
    image = _find_image(house, name, wanted)
    route = plan_route(house.stack, snapshot, Order(name, wanted), "planned")
    plan = plan_release(house.stack, snapshot, route, image, secrets)
    steps = [f"build or pull {wanted}"] if image == UNBUILT else []
    steps += [f"remove {replica.container.name}" for replica in plan.clear]
    if plan.migration:
        steps.append(f"run {' '.join(plan.migration.command)}")
    steps += [f"start {replica}" for replica in plan.replicas]
    steps += [
        (
            f"gate: {service.health.successes} healthy answers in a row from each, within"
            f" {service.health.deadline:g} s"
        ),
        f"stage {plan.candidate.color} behind the preview, promote it, confirm",
    ]
    if active:
        steps += [
            (
                f"drain {active.color} ({active.version}), at most"
                f" {house.stack.gateway.drain_timeout:g} s"
            ),
            f"retire {active.color}: {service.keep}",
        ]
    return Forecast(
        service=name,
        version=wanted,
        previous=active.version if active else None,
        color=plan.candidate.color,
        unchanged=plan.unchanged,
        steps=() if plan.unchanged else tuple(steps),
        diff="" if plan.unchanged else _diff(plan.base.text, plan.retired.text),
    )


def _find_image(house: House, service: str, version: str) -> str:
    wanted = house.stack.services[service]
    reference = (
        naming.image_tag(house.stack.name, service, version)
        if wanted.image is None
        else wanted.image.replace("{version}", version)
    )
    try:
        return house.engine.image(reference).id
    except NotFound:
        return UNBUILT


def _diff(before: str, after: str) -> str:
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            "served now",
            "after the release",
            n=1,
        )
    )
