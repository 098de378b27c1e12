"""A world whose service has assets, and what NGINX finds of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.errors import NotFound
from tests.fakes.apps import App

if TYPE_CHECKING:
    from orchestrator.stack.model import Color
    from tests.fakes.world import World

PLACE = "/etc/stackctl/assets/notes"
ASSETS = {"path": "/static/", "from": "/app/static", "keep": "1h"}


def with_assets(world: World, **keys: Any) -> World:
    """Let the service have assets, and its versions files."""
    world.notes["assets"] = [ASSETS | keys]
    for name in ("v0", "v1", "v2", "v3", "v4"):
        files = {f"app/static/{name}.js": name, "app/static/logo.svg": f"logo of {name}"}
        world.host.apps[name] = App(files=files)
    return world


def found(world: World, color: Color) -> dict[str, str]:
    """Return what NGINX finds for clients of a color: texts by their paths."""
    box = world.host.box("shop-gateway")
    disk, inside = box.find(f"{PLACE}/now")
    edition = f"assets/notes/{disk.target(inside)}/{color}"
    try:
        paths = disk.paths(edition)
    except NotFound:
        return {}
    return {
        path.removeprefix(f"{edition}/"): disk.read(path)
        for path in paths
        if path.rpartition("/")[2].count(".")
    }
