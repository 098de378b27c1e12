"""Whether the gateway can be asked from here, and what it says of itself where it cannot.

Its admin address is on the loopback of the engine's host. In a container with the engine's socket, or
with an engine elsewhere, another loopback is asked, and whatever is healthy would seem to be gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import EngineError, GatewayError
from orchestrator.gateway.render import ADMIN_PORT
from orchestrator.sockets import SOCKETS, listens

if TYPE_CHECKING:
    from orchestrator.engine.values import Container
    from orchestrator.release.house import House

LINES = 200  # of the log's end are looked through
SHOWN = 3  # lines
CLIENT = ", client: "  # from here on a line of NGINX's error log is about who asked for what


def require_reachable(house: House, gateway: Container) -> None:
    """Raise GatewayError where NGINX takes connections, and none from here gets there."""
    try:
        takes = listens(house.engine.execute(gateway.id, SOCKETS).text, ADMIN_PORT)
    except EngineError:  # it does not run any more, or has just begun to
        return
    if takes and house.admin.refused():
        raise GatewayError(
            f"the gateway runs, but nothing is reached at {house.stack.gateway.admin} from here",
            "run stackctl on the engine's host: that address is on its loopback; in a container, with"
            " the network of the host (`docker run --network host`)",
        )


def read_complaints(house: House, gateway: Container) -> str:
    """Return the last lines in which NGINX complains."""
    return pick_complaints(house.engine.logs(gateway.id, tail=LINES)) or "its log does not say why"


def pick_complaints(log: str) -> str:
    """Return the last lines that are no access log, without what they say of clients."""
    lines = (line.strip() for line in log.splitlines())
    told = [line.partition(CLIENT)[0] for line in lines if line and not line.startswith("{")]
    return "\n".join(told[-SHOWN:])
