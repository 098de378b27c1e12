"""What others have made, and a stack only uses: networks and volumes that must be there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.release.ownership import names_of_service, refuse_foreign
from orchestrator.stack.listing import list_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.release.house import House

NETWORK_HINT = "`docker network ls` lists those that are; `docker network create` makes one"
VOLUME_HINT = "`docker volume ls` lists those that are; `docker volume create` makes one"


def refuse_unfit(house: House, service: str) -> None:
    """Raise where a name that a service needs is somebody else's, or what it uses is not there.

    Raises Conflict, ConfigurationError.
    """
    refuse_foreign(house, names_of_service(house.stack, service))
    require_externals(house, service)


def require_externals(house: House, service: str | None = None) -> None:
    """Raise ConfigurationError where one is missing that a service, or any part, is to use.

    It is named by its place in stack.yaml: its name may hold the value of a variable.
    """
    for place in _list_missing_networks(house, service):
        raise ConfigurationError(f"{place}: there is no such network on the engine", NETWORK_HINT)
    for place in _list_missing_volumes(house, service):
        raise ConfigurationError(f"{place}: there is no such volume on the engine", VOLUME_HINT)


def _list_missing_networks(house: House, service: str | None) -> Iterator[str]:
    find = cache(house.engine.network)  # many parts may join one
    for place, part in list_parts(house.stack, service):
        for position, name in enumerate(part.networks):
            if find(name) is None:
                yield f"{place}.networks.{position}"


def _list_missing_volumes(house: House, service: str | None) -> Iterator[str]:
    mounts = (mount for _, part in list_parts(house.stack, service) for mount in part.volumes)
    for name in sorted({mount.partition(":")[0] for mount in mounts} & house.stack.volumes.keys()):
        wanted = house.stack.volumes[name].external
        found = house.engine.named(wanted)
        if not any((one.kind, one.name) == ("volume", wanted) for one in found):
            yield f"volumes.{name}.external"
