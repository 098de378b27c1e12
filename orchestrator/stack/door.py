"""`gateway.door` in stack.yaml: the public door that stacks on one machine share, by their hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, StrictBool

from orchestrator.stack.claims import Services, list_routes
from orchestrator.stack.document import Fault
from orchestrator.stack.fields import STRICT
from orchestrator.stack.quantities import Address, HostAddress, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LISTEN = Address("0.0.0.0", 80)  # noqa: S104  it is the public door
TLS_LISTEN = Address("0.0.0.0", 443)  # noqa: S104


class SharedDoor(BaseModel):
    """Where it is. The first stack says so; the others say the same."""

    model_config = STRICT

    listen: HostAddress = LISTEN
    tls: HostAddress = TLS_LISTEN


def _read_door(value: object) -> object:
    """Let people write `true` for the usual ports, and `false` for a door of the stack's own."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


Door = Annotated[
    SharedDoor | None, BeforeValidator(_read_door, json_schema_input_type=SharedDoor | StrictBool)
]


def fill_door(gateway: object) -> object:
    """Return `gateway` of stack.yaml with the addresses of the shared door as its own, if it has one."""
    if not isinstance(gateway, dict) or not gateway.get("door"):
        return gateway
    door = gateway["door"] if isinstance(gateway["door"], dict) else {}
    filled = {**gateway, "listen": _find_address(door.get("listen"), LISTEN)}
    if isinstance(tls := gateway.get("tls"), dict):
        filled["tls"] = {**tls, "listen": _find_address(door.get("tls"), TLS_LISTEN)}
    return filled


def _find_address(written: object, usual: Address) -> Address:
    """Return what is written, or what is usual: where that is no address the model says so."""
    try:
        found = parse_address(written)
    except ValueError:
        return usual
    return found if isinstance(found, Address) else usual


def find_door_faults(gateway: object, services: Services) -> Iterator[Fault]:
    """Yield what a stack cannot have behind a door that it shares, and what it needs there."""
    if not isinstance(gateway, dict) or not gateway.get("door"):
        return
    yield from _own_faults(gateway)
    found = False
    for place, _, _, hosts in list_routes(services):
        found = True
        if not hosts:
            yield Fault(
                place, "has no `host`, by which the shared door would know that it is meant"
            )
    if not found:
        yield Fault("gateway.door", "leads nowhere: no service has a route")


def _own_faults(gateway: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield keys of a gateway that clients meet themselves."""
    if "listen" in gateway:
        yield Fault(
            "gateway.listen", "is where a gateway has a door of its own: write `door.listen`"
        )
    if isinstance(tls := gateway.get("tls"), dict) and "listen" in tls:
        yield Fault(
            "gateway.tls.listen", "is where a gateway has a door of its own: write `door.tls`"
        )
    if gateway.get("url") is not None:
        yield Fault("gateway.url", "is for a proxy of yours: leave it out, or `door`")
    if gateway.get("trusted_proxies"):
        yield Fault(
            "gateway.trusted_proxies",
            "does not go with `door`: by TLS, NGINX knows clients by the PROXY protocol or by a header",
        )
    door = gateway["door"]
    if isinstance(door, dict):
        addresses = (
            _find_address(door.get(key), usual)
            for key, usual in (("listen", LISTEN), ("tls", TLS_LISTEN))
        )
        if len({address.port for address in addresses}) == 1:
            yield Fault("gateway.door.tls", "expected another port than `gateway.door.listen` has")
