"""A command that runs once, in a container of its own, as a service's replicas are."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError
from orchestrator.release.candidate import ensure_volumes
from orchestrator.release.externals import require_externals
from orchestrator.release.images import prepare_image
from orchestrator.release.observe import observe
from orchestrator.release.provision import provide
from orchestrator.release.rollout import require_known
from orchestrator.release.specs import replica_specs, run_spec
from orchestrator.signals import put_off

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.ports import Session
    from orchestrator.engine.values import ContainerSpec
    from orchestrator.gateway.lane import Target
    from orchestrator.release.house import House


def plan_run(
    house: House, service: str, command: tuple[str, ...], version: str | None, *, terminal: bool
) -> ContainerSpec:
    """Return the container of a command: of the version that users get, or of a named one.

    Raises ConfigurationError, ImageError, StackctlError where nobody serves, EngineError.
    """
    active = require_active(house, service)
    require_externals(house, service)
    target = replace(active, version=version or active.version)
    image = prepare_image(house, service, target.version, house.emit, build=False)
    given = provide(house, house.stack.services[service], f"services.{service}")
    replica, *_ = replica_specs(house.stack, service, target, image.id, given, None)
    spec = run_spec(house.stack, service, replica, command, secrets.token_hex(4))
    return replace(spec, terminal=terminal)


def require_active(house: House, service: str) -> Target:
    """Return the version that users get. Raises ConfigurationError, StackctlError where nobody serves."""
    require_known(house, service)
    active = observe(house).lane(service).active
    if active is None:
        raise StackctlError(
            f"no version of `{service}` was released yet", "bring the stack up: `stackctl up`"
        )
    return active


@contextmanager
def begun(house: House, spec: ContainerSpec) -> Iterator[Session]:
    """Run a container while somebody sits at it. Afterwards it is gone, whatever it was doing."""
    ensure_volumes(house.engine, (spec,))
    container = ""
    try:
        with put_off():  # one that is still being made would be left
            container = house.engine.create(spec)
        session = house.engine.begin(container, spec.entrypoint[0], terminal=spec.terminal)
        try:
            yield session
        finally:
            session.close()
    finally:
        if container:
            with put_off():
                house.engine.stop(container, spec.stop_grace)
                house.engine.remove(container, data=True)
