"""`plan` and `render`: what would be done, and what would be served, without touching anything."""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.certificates.table import warn_of_ends
from orchestrator.engine.values import Image, Network
from orchestrator.errors import NotFound, StackctlError
from orchestrator.lifecycle.certification import RENEW
from orchestrator.lifecycle.changes import describe_changes
from orchestrator.lifecycle.drift import find_drift_of_parts
from orchestrator.lifecycle.supplying import gather_supply
from orchestrator.lifecycle.waking import find_waking
from orchestrator.release.description import describe
from orchestrator.release.externals import require_externals
from orchestrator.release.observe import Snapshot, fit_config, observe
from orchestrator.release.ownership import names_of_stack, refuse_foreign, warn_of_unowned
from orchestrator.release.plan import Order, Plan, plan_release
from orchestrator.release.provision import NOTHING, provide
from orchestrator.release.rollout import require_service
from orchestrator.release.specs import accessory_spec
from orchestrator.release.unit import find_own_version
from orchestrator.release.unnamed import warn_of_uncovered
from orchestrator.stack import naming
from orchestrator.stack.sharing import warn_of_shared
from orchestrator.stack.unit import find_builder, list_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.values import Made
    from orchestrator.release.house import House
    from orchestrator.whereabouts import Whereabouts

UNBUILT = Image("not built yet", (), {})
# Where no network is there to take addresses from.
EXAMPLE = Network(
    "", {}, internal=False, subnet="10.77.0.0/20", pool="10.77.12.0/22", gateway="10.77.15.254"
)


@dataclass(frozen=True)
class ServiceForecast:
    """What the release of one service would do."""

    service: str
    version: str
    previous: str | None
    color: str
    unchanged: bool
    steps: tuple[str, ...]
    diff: str
    warnings: tuple[str, ...]  # of what the release would do, and stack.yaml may not mean
    changes: tuple[str, ...] = ()  # what will be another one for people
    woken: tuple[str, ...] = ()  # containers that `up` would start again, in the place of a release


@dataclass(frozen=True)
class Forecast:
    """What releases would do, and what they would leave as it is."""

    services: tuple[ServiceForecast, ...]
    gateway: tuple[str, ...]  # what `up` would take in there: passwords and pages
    drift: tuple[str, ...]  # of the gateway and the accessories, which no release changes
    warnings: tuple[str, ...]  # of what `up` would do, and stack.yaml may not mean
    engine: Whereabouts | None = None  # on which this would be done


def forecast(house: House, service: str | None, version: str | None) -> Forecast:
    """Return what deploying would do, for one service or for all at the versions they have."""
    if service is not None:
        require_service(house, service)
    elif version is not None:
        raise StackctlError("`--version` needs a service", "stackctl plan SERVICE --version V")
    snapshot = observe(house)
    there = refuse_foreign(house, names_of_stack(house.stack))
    require_externals(house, service)
    names = list_unit(house.stack, service) if service else tuple(house.stack.services)
    return Forecast(
        services=tuple(_forecast(house, snapshot, name, version) for name in names),
        gateway=tuple(gather_supply(house, snapshot).changes),
        drift=tuple(find_drift_of_parts(house, snapshot)),
        warnings=(
            *warn_of_unowned(there),
            *_warn_of_accessories(house),
            *_warn_of_url(house, snapshot),
            *warn_of_ends(snapshot.certificates, house.clock.now(), RENEW),
        ),
        engine=house.whereabouts,
    )


def render_current(house: House) -> str:
    """Return nginx.conf as stack.yaml wants it, with the addresses that the stack has."""
    found = observe(house)
    snapshot = replace(found, network=found.network or EXAMPLE)
    return fit_config(house.stack, snapshot, snapshot.table).text


def _forecast(house: House, snapshot: Snapshot, name: str, version: str | None) -> ServiceForecast:
    service = house.stack.services[name]
    active = snapshot.lane(name).active
    wanted = version or find_own_version(house.stack, snapshot, name)
    given = provide(house, service, f"services.{name}")
    image = _find_image(house, name, wanted)
    order = Order(name, wanted)
    waking = None if version else find_waking(house, order, snapshot)
    if waking:
        return _foresee_waking(waking)
    plan = plan_release(house.stack, snapshot, order, "planned", image.id, given)
    build = [f"build or pull {wanted}"] if image is UNBUILT else []
    return ServiceForecast(
        service=name,
        version=wanted,
        previous=active.version if active else None,
        color=plan.candidate.color,
        unchanged=plan.unchanged,
        steps=() if plan.unchanged else (*build, *(f"{p}: {text}" for p, text in describe(plan))),
        diff="" if plan.unchanged else _diff(plan),
        warnings=(*plan.find_warnings(image), *warn_of_shared(f"services.{name}", service)),
        changes=() if plan.unchanged else describe_changes(plan, _look_at(house, plan), image),
    )


def _foresee_waking(plan: Plan) -> ServiceForecast:
    return ServiceForecast(
        service=plan.order.service,
        version=plan.candidate.version,
        previous=plan.candidate.version,
        color=plan.candidate.color,
        unchanged=False,
        steps=(f"start: start {' and '.join(plan.replicas)} again",),
        diff="",
        warnings=(),
        woken=plan.replicas,
    )


def _look_at(house: House, plan: Plan) -> Made | None:
    """Return what the replicas that serve were made from, where they are there."""
    with suppress(NotFound):
        return house.engine.made(plan.outgoing[0].container.id) if plan.outgoing else None
    return None


def _warn_of_url(house: House, snapshot: Snapshot) -> Iterator[str]:
    """Yield that clients do not come to this gateway; nobody can tell while it does not run."""
    if snapshot.gateway and snapshot.gateway.running and (miss := house.admin.find_miss()):
        yield f"{house.stack.gateway.url} does not lead to this gateway: {miss}"


def _warn_of_accessories(house: House) -> Iterator[str]:
    """Yield warnings of accessories whose images are here."""
    for name, accessory in house.stack.accessories.items():
        with suppress(NotFound):
            image = house.engine.image(accessory.image)
            yield from warn_of_uncovered(
                f"accessories.{name}", image, accessory_spec(house.stack, name, NOTHING)
            )


def _find_image(house: House, service: str, version: str) -> Image:
    wanted = house.stack.services[service]
    reference = (
        naming.image_tag(house.stack.name, find_builder(house.stack, service), version)
        if wanted.image is None
        else wanted.image.replace("{version}", version)
    )
    try:
        return house.engine.image(reference)
    except NotFound:
        return UNBUILT


def _diff(plan: Plan) -> str:
    return "".join(
        difflib.unified_diff(
            plan.served.text.splitlines(keepends=True),
            plan.config.text.splitlines(keepends=True),
            "served now",
            "after the release",
            n=1,
        )
    )
