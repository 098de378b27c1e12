"""One accessory, brought to what stack.yaml says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.events import Progress
from orchestrator.lifecycle.drift import warn_of_drift
from orchestrator.lifecycle.findings import Findings, tell_mended
from orchestrator.release.provision import provide
from orchestrator.release.specs import accessory_spec, is_made_from
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.engine.values import Container, ContainerSpec
    from orchestrator.release.house import House


def spec_of_accessory(house: House, name: str) -> ContainerSpec:
    """Return what an accessory is made of, as stack.yaml says. Raises ConfigurationError, EngineError."""
    wanted = house.stack.accessories[name]
    return accessory_spec(house.stack, name, provide(house, wanted, f"accessories.{name}"))


def bring_up_accessory(
    house: House,
    spec: ContainerSpec,
    found: Container | None,
    findings: Findings,
    *,
    allow_downtime: bool,
) -> str:
    """Run an accessory as wanted and say what that took. Raises EngineError."""
    if found is None:
        _run(house, spec)
        return "started"
    if not is_made_from(found, spec):
        if allow_downtime:
            with put_off():  # what was taken away comes back
                house.engine.stop(found.id, spec.stop_grace)
                house.engine.remove(found.id)
                _run(house, spec)
            return "recreated"
        findings.warnings.append(warn_of_drift(spec.name))
    network = spec.network
    if network is not None and network not in found.addresses:  # or it is of an earlier stackctl
        house.engine.connect(found.id, network, aliases=spec.aliases)
        text = f"`{spec.name}` was not in the network `{network}`: it is now"
        tell_mended(house, findings, text)
    if not found.running:
        house.engine.start(found.id)
        return "started"
    return "unchanged"


def _run(house: House, spec: ContainerSpec) -> str:
    house.emit(Progress(f"starting {spec.name}"))
    labels = naming.labels(house.stack.name, "accessory")
    for volume in spec.volumes:
        if not volume.external:
            house.engine.ensure_volume(volume.name, labels)
    return house.engine.run(spec)
