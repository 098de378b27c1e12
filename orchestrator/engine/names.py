"""Names on the engine: who has them, and whose a volume is that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.engine.connection import translated
from orchestrator.engine.values import Named
from orchestrator.errors import Conflict
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker


def find_named(client: docker.APIClient, prefix: str) -> tuple[Named, ...]:
    """Return all containers, networks and volumes whose names begin so. Raises EngineError."""
    with translated(f"looking for names that begin with `{prefix}`"):
        containers = client.containers(all=True, filters={"name": f"^/?{prefix}"})
        networks = client.networks(filters={"name": f"^{prefix}"})
        volumes = client.volumes(filters={"name": f"^{prefix}"})["Volumes"] or ()
    found = (
        *(Named("container", _name(entry), entry.get("Labels") or {}) for entry in containers),
        *(Named("network", entry["Name"], entry.get("Labels") or {}) for entry in networks),
        *(Named("volume", entry["Name"], entry.get("Labels") or {}) for entry in volumes),
    )
    return tuple(one for one in found if one.name.startswith(prefix))


def ensure_volume(client: docker.APIClient, name: str, labels: Mapping[str, str]) -> None:
    """Make a volume unless it is there. Raises Conflict where it is another stack's.

    The engine gives what is there to whoever asks for the name, and its labels with it.
    """
    with translated(f"making volume `{name}`"):
        made = client.create_volume(name, labels=dict(labels))
    found = Named("volume", name, made.get("Labels") or {})
    if found.owner not in ("", labels.get(naming.STACK)):
        raise Conflict(found.told, found.hint)


def _name(entry: Mapping[str, list[str]]) -> str:
    return (entry.get("Names") or ["/"])[0].lstrip("/")
