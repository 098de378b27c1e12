"""`pause` and `resume`: users of a service are told to come back, for as long as somebody wants it so.

A pause is a part of the lane, so it begins and ends with one rename, and no connection is closed by it.
Releases go on meanwhile, and leave it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, GatewayError, StackctlError
from orchestrator.events import Warned
from orchestrator.gateway.files import FOLDER, pack_page, stops_users
from orchestrator.release.gateway import require_gateway
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.recovery import recover, stamp, sweep
from orchestrator.release.rollout import require_known
from orchestrator.release.switch import Switch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.engine.values import Container
    from orchestrator.gateway.lane import Lane
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot


@dataclass(frozen=True)
class Turned:
    """Services by what a command has made of them."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]  # they were so before


def pause(house: House, names: Sequence[str], page: bytes, wait: float = 0.0) -> Turned:
    """Have users of services told to come back; of all that have routes, where none is named.

    `page` is the HTML that browsers are shown. Who is being answered is answered. Raises StackctlError;
    then no service is paused that was not.
    """
    wanted = _choose(house, names)
    with hold_lock(house, f"pause {' '.join(names)}".rstrip(), wait) as lease:
        recover(house, lease)
        snapshot = observe(house)
        gateway = _require_ready(house, snapshot, wanted)
        for name in wanted:
            house.engine.write(gateway.id, FOLDER, pack_page(name, page))
        return _turn(house, snapshot, gateway, wanted, paused=True)


def resume(house: House, names: Sequence[str], wait: float = 0.0) -> Turned:
    """Let users of services in again; of all that are paused, where none is named.

    Raises StackctlError; then every service is as it was.
    """
    wanted = _choose(house, names)
    with hold_lock(house, f"resume {' '.join(names)}".rstrip(), wait) as lease:
        recover(house, lease)
        snapshot = observe(house)
        asked = wanted if names else [name for name in wanted if snapshot.lane(name).paused]
        gateway = _require_ready(house, snapshot, asked)
        return _turn(house, snapshot, gateway, asked, paused=False)


def _choose(house: House, names: Sequence[str]) -> tuple[str, ...]:
    """Return the services that are meant. Raises ConfigurationError where one has no users."""
    services = house.stack.services
    for name in names:
        require_known(house, name)
        if not services[name].routes:
            raise ConfigurationError(
                f"`{name}` has no route: nobody could be told to come back",
                "what is not to run for a while is stopped: `docker stop`; `stackctl up` starts it again",
            )
    found = tuple(dict.fromkeys(names)) or tuple(name for name in services if services[name].routes)
    if not found:
        raise ConfigurationError("no service of this stack has a route", None)
    return found


def _require_ready(house: House, snapshot: Snapshot, names: Sequence[str]) -> Container:
    """Return the gateway. Raises StackctlError where it cannot stop users of these services."""
    gateway, config = require_gateway(house.stack, snapshot)
    for name in names:
        if snapshot.lane(name).active is None:
            raise StackctlError(f"`{name}` has not been released yet", "release it: `stackctl up`")
        if not stops_users(config.text, name):
            raise GatewayError(
                f"the gateway's config was made by an earlier stackctl, and cannot pause `{name}`",
                "`stackctl up` brings it up to date; no connection is closed by that",
            )
    return gateway


def _turn(
    house: House, snapshot: Snapshot, gateway: Container, names: Sequence[str], *, paused: bool
) -> Turned:
    """Move the links of services whose lanes say otherwise. Where one fails, all go back."""
    before = {name: lane for name in names if (lane := snapshot.lane(name)).paused != paused}
    move = f"{stamp(house)}.{'pause' if paused else 'resume'}"
    begun: list[str] = []
    try:
        for name, lane in before.items():
            begun.append(name)
            _move(house, gateway, move, name, replace(lane, paused=paused))
    except StackctlError:
        for name in begun:
            try:
                _move(house, gateway, f"{move}.undo", name, before[name])
            except StackctlError as error:
                house.emit(Warned(f"`{name}` was not turned back: {error.message}"))
        raise
    try:
        sweep(house, gateway)
    except StackctlError as error:  # the next command does it
        house.emit(Warned(f"lanes of before are still there: {error.message}"))
    return Turned(tuple(before), tuple(name for name in names if name not in before))


def _move(house: House, gateway: Container, move: str, service: str, lane: Lane) -> None:
    """Let a lane decide, and return once users notice. Raises StackctlError."""
    with house.open_gateway(gateway) as opened:
        switch = Switch(house, opened, service, move, house.emit)
        opened.move(service, move, lane)
        switch.confirm(lane)
