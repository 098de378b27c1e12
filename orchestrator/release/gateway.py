"""The gateway that a release needs: one that runs, and that this stackctl knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError
from orchestrator.gateway.config import Earlier, Newer
from orchestrator.stack.guests import list_basic_auth

if TYPE_CHECKING:
    from orchestrator.engine.values import Container
    from orchestrator.gateway.config import Config
    from orchestrator.release.observe import Snapshot
    from orchestrator.stack.model import Stack


def require_gateway(stack: Stack, snapshot: Snapshot) -> tuple[Container, Config]:
    """Return the gateway and the config that it serves. Raises StackctlError without either."""
    refuse_newer(stack, snapshot)
    if isinstance(snapshot.strange, Earlier):
        raise StackctlError(
            f"`{stack.name}` was brought up by an earlier stackctl",
            "move it over, no request is lost: `stackctl up`",
        )
    if snapshot.gateway is None or not snapshot.gateway.running or snapshot.config is None:
        raise StackctlError(
            f"the gateway of `{stack.name}` does not run",
            "bring the stack up: `stackctl up`; `stackctl deploy … --up` does both",
        )
    return snapshot.gateway, snapshot.config


def refuse_newer(stack: Stack, snapshot: Snapshot) -> None:
    """Raise StackctlError where a newer stackctl has been at work."""
    if isinstance(snapshot.strange, Newer):
        raise StackctlError(
            f"`{stack.name}` was brought up by a newer stackctl (layout {snapshot.strange.layout})",
            "use that one, or a newer one",
        )


def require_users(stack: Stack, snapshot: Snapshot) -> None:
    """Raise StackctlError where the gateway has no passwords of a list: nobody would come in."""
    for place, wanted in list_basic_auth(stack):
        if not snapshot.supplies.has_users(wanted):
            raise StackctlError(
                f"{place}: the gateway has not got these passwords yet", "`stackctl up` brings them"
            )


def require_protocols(stack: Stack, snapshot: Snapshot) -> None:
    """Raise StackctlError where the version that serves would be reached by what it does not speak.

    Both colors of a service are reached alike.
    """
    for name in stack.services.keys() & snapshot.lanes.keys():
        served = snapshot.config.protocol(name) if snapshot.config else ""
        wanted = stack.services[name].protocol
        if served not in ("", wanted) and not stack.services[name].is_worker:
            raise StackctlError(
                f"`services.{name}` is served by `protocol: {served}`, and stack.yaml says `{wanted}`: the"
                " version that users have would not be understood",
                "release the app with another protocol as a service of its own, and move the routes to it",
            )
