"""What others have made, and a stack only uses: networks and volumes that must be there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.release.ownership import names_of_service, refuse_foreign
from orchestrator.stack import naming
from orchestrator.stack.listing import list_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    """Raise ConfigurationError where one that a service, or any part, is to use is missing or NGINX's own.

    It is named by its place in stack.yaml: its name may hold the value of a variable.
    """
    for place, labels in _find_networks(house, service):
        if labels is None:
            raise ConfigurationError(
                f"{place}: there is no such network on the engine", NETWORK_HINT
            )
        if labels.get(naming.STACK) == naming.SHARED:
            raise _not_for_parts(place, "network")
    for place, labels in _find_volumes(house, service):
        if labels is None:
            raise ConfigurationError(f"{place}: there is no such volume on the engine", VOLUME_HINT)
        if labels.get(naming.ROLE) == "gateway":  # it holds keys, and who gets which traffic
            raise _not_for_parts(place, "volume")


def _not_for_parts(place: str, kind: str) -> ConfigurationError:
    told = (
        f"{place}: this {kind} is a gateway's, or the shared door's, which no other container gets"
    )
    return ConfigurationError(told, f"name a {kind} of your own, or leave it out")


def _find_networks(
    house: House, service: str | None
) -> Iterator[tuple[str, Mapping[str, str] | None]]:
    find = cache(house.engine.network)  # many parts may join one
    for place, part in list_parts(house.stack, service):
        for position, name in enumerate(part.networks):
            found = find(name)
            yield f"{place}.networks.{position}", found.labels if found else None


def _find_volumes(
    house: House, service: str | None
) -> Iterator[tuple[str, Mapping[str, str] | None]]:
    mounts = (mount for _, part in list_parts(house.stack, service) for mount in part.volumes)
    for name in sorted({mount.partition(":")[0] for mount in mounts} & house.stack.volumes.keys()):
        wanted = house.stack.volumes[name].external
        found = {one.name: one.labels for one in house.engine.named(wanted) if one.kind == "volume"}
        yield f"volumes.{name}.external", found.get(wanted)
