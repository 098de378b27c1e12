"""Assets: files of a version that pages ask for after the version is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from orchestrator.stack.claims import list_routes
from orchestrator.stack.document import Fault
from orchestrator.stack.fields import STRICT, UrlPath
from orchestrator.stack.filled import quote
from orchestrator.stack.part import Target
from orchestrator.stack.quantities import Bytes, Seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86_400.0
Services = dict[str, dict[str, Any]]


def _refuse_file(path: str) -> str:
    if not path.endswith("/"):
        raise ValueError("expected a path that ends with `/`: it stands for a folder")
    return path


class Assets(BaseModel):
    """A folder of the image, and the path that its files have at the public door."""

    model_config = STRICT

    path: Annotated[UrlPath, AfterValidator(_refuse_file)]
    source: Target = Field(alias="from")
    keep: Annotated[Seconds, Field(ge=1, le=365 * DAY)] = 7 * DAY
    max_size: Annotated[Bytes, Field(ge=1024**2, le=16 * 1024**3)] = 256 * 1024**2


def _one_to_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


AssetFolders = Annotated[
    tuple[Assets, ...],
    BeforeValidator(_one_to_list, json_schema_input_type=Assets | tuple[Assets, ...]),
]


def find_asset_faults(services: Services) -> Iterator[Fault]:
    """Yield folders whose path does not lead to their own service, or that are listed twice."""
    for name, service in services.items():
        seen: set[str] = set()
        for place, path in _list_paths(name, service):
            if path in seen:
                yield Fault(place, f"`{quote(path)}` is listed twice: one folder has its files")
            seen.add(path)
            yield from _owner_faults(services, name, place, path)


def _list_paths(name: str, service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where each path is written, and the path, as far as it is one."""
    written = _one_to_list(service.get("assets"))
    for position, one in enumerate(written if isinstance(written, list) else ()):
        path = one.get("path") if isinstance(one, dict) else None
        if isinstance(path, str) and path.startswith("/"):
            yield f"services.{quote(name)}.assets.{position}.path", path


def _owner_faults(services: Services, name: str, place: str, path: str) -> Iterator[Fault]:
    """Yield that requests for a path get to no route of the service, at any host."""
    leading: dict[str | None, list[tuple[int, str]]] = {}
    for _, owner, route, hosts in list_routes(services):
        trunk = route["path"].rstrip("/")
        if path.startswith(f"{trunk}/"):
            for host in hosts or (None,):
                leading.setdefault(host, []).append((len(trunk), owner))
    everywhere = leading.get(None, [])
    owners = {max([*everywhere, *routes])[1] for routes in leading.values()}
    if name not in {owner for routes in leading.values() for _, owner in routes}:
        yield Fault(place, f"no route of the service leads to `{quote(path)}`")
    elif name not in owners:
        others = " and ".join(f"`{quote(owner)}`" for owner in sorted(owners))
        yield Fault(place, f"`{quote(path)}` leads to {others}, by a longer path of a route there")
