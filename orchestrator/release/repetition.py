"""The version that serves, once more: `restart`, and `scale` with another number of replicas.

Both are releases: the same gate, switch, drain and evidence. So no request is lost, and what is kept for a
rollback stays the version before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.gateway.lane import MOST_REPLICAS
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.plan import Order
from orchestrator.release.recovery import recover
from orchestrator.release.rollout import release, release_unit, require_known, require_service
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.release.house import House
    from orchestrator.release.result import Result
    from orchestrator.stack.model import Service


def restart(house: House, service: str, wait: float = 0.0) -> Result:
    """Put new containers of the same version in the place of those that serve; its companions' too.

    What a person can put right comes back in the result. Raises StackctlError before anything is begun.
    """
    _refuse_part(house, service, "restarted")
    require_service(house, service)
    with hold_lock(house, f"restart {service}", wait) as lease:
        recover(house, lease)
        version = _require_version(house, service, "restart")
        order = Order(service, version, command="restart", build=False)
        return release_unit(house, order, lease)


def scale(house: House, service: str, replicas: int, wait: float = 0.0) -> Result:
    """Have a service, be it a companion, run so many replicas of the version that it has.

    What a person can put right comes back in the result. Raises StackctlError before anything is begun.
    """
    _refuse_part(house, service, "scaled")
    require_known(house, service)
    refuse_count(service, house.stack.services[service], replicas)
    with hold_lock(house, f"scale {service} {replicas}", wait) as lease:
        recover(house, lease)
        version = _require_version(house, service, "scale")
        order = Order(service, version, command="scale", build=False, replicas=replicas)
        return release(house, order, lease)


def refuse_count(name: str, service: Service, replicas: int) -> None:
    """Raise ConfigurationError where a service cannot have so many replicas."""
    if replicas < 1:
        raise ConfigurationError(
            f"`{name}` cannot have {replicas} replicas: nobody would be left to answer"
            if not service.is_worker
            else f"`{name}` cannot have {replicas} replicas: nobody would be left to work",
            f"the least is `stackctl scale {name} 1`; a service that is to go is taken out of stack.yaml,"
            " and then removed by `stackctl up` and `stackctl prune`",
        )
    if replicas > MOST_REPLICAS:
        raise ConfigurationError(
            f"`{name}` cannot have {replicas} replicas: the most is {MOST_REPLICAS}",
            "give each one more to use instead: `resources` in stack.yaml",
        )
    if service.alone and replicas > service.replicas:
        raise ConfigurationError(
            f"`{name}` cannot have {replicas} replicas: `strategy: recreate` says that it must not run"
            f" beside another, and stack.yaml says {service.replicas}",
            f"where as many may run at once, say so there: `replicas: {replicas}`, then `stackctl up`",
        )


def _refuse_part(house: House, name: str, done: str) -> None:
    """Raise ConfigurationError for what is no service: it has no second color to go to."""
    stack = house.stack
    if name in stack.services or name not in (*stack.accessories, "gateway"):
        return
    container = naming.part_name(stack.name, name)
    what = "the gateway" if name == "gateway" else f"`{name}` is an accessory, and"
    if done == "scaled":
        raise ConfigurationError(f"{what} runs once, and cannot be scaled", None)
    raise ConfigurationError(
        f"{what} cannot be restarted without an interruption: there is one container of it",
        f"where all that use it may fail meanwhile: `docker restart {container}`",
    )


def _require_version(house: House, service: str, command: str) -> str:
    """Return the version that a service has. Raises StackctlError where there is none."""
    version = observe(house).version(service)
    if not version:
        raise StackctlError(
            f"`{service}` has no active version to {command}", "release one: `stackctl up`"
        )
    return version
