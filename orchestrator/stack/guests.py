"""Which routes of a stack ask for a password, and whom they let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stack.access import BasicAuth
    from orchestrator.stack.model import Service, Stack
    from orchestrator.stack.routes import Route


def find_basic_auth(service: Service, route: Route) -> BasicAuth | None:
    """Return who comes in at a route: as it says, else as its service does; None where all do."""
    wanted = service.basic_auth if route.basic_auth is None else route.basic_auth
    return wanted if wanted is not None and wanted.users else None


def list_basic_auth(stack: Stack) -> Iterator[tuple[str, BasicAuth]]:
    """Yield each list of users that a route has, with its place, such as `services.web.basic_auth`."""
    for name, service in stack.services.items():
        for position, route in enumerate(service.routes):
            if wanted := find_basic_auth(service, route):
                own = "" if route.basic_auth is None else f".routes.{position}"
                yield f"services.{name}{own}.basic_auth", wanted
