"""Assets between releases: what the gateway has, and what it need not have any longer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.errors import EngineError
from orchestrator.gateway.files import ASSETS
from orchestrator.gateway.shelf import Shelf
from orchestrator.release.assets import find_longest, find_most

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.values import Container
    from orchestrator.release.house import House


@dataclass(frozen=True)
class AssetsStatus:
    """What the gateway has of a service's assets."""

    service: str
    size: int  # bytes of all files, each content once
    versions: dict[
        str, str | None
    ]  # until when, at least, in UTC; None: as long as it is at a color

    @property
    def told(self) -> str:
        """Return it in one line."""
        until = (f"{name} until {at}" if at else name for name, at in self.versions.items())
        return f"assets of {self.service}: {self.size:,} bytes; of {', '.join(until)}"


def read_assets(house: House, gateway: Container | None) -> tuple[AssetsStatus, ...]:
    """Return what the gateway has, of each service that has assets; nothing where nobody can tell."""
    try:
        return tuple(_read(house, gateway)) if gateway else ()
    except EngineError:
        return ()


def _read(house: House, gateway: Container) -> Iterator[AssetsStatus]:
    for name, service in house.stack.services.items():
        if not service.assets:
            continue
        edition = Shelf(house.engine, gateway.id, name).read()
        versions: dict[str, str | None] = {}
        for one in edition.others():
            over = (one.seen or one.copied) + find_longest(service.assets)
            versions.setdefault(one.version, f"{datetime.fromtimestamp(over, UTC):%Y-%m-%d %H:%M}")
        at_colors = [edition.find(identity) for identity in edition.colors.values()]
        versions |= {one.version: None for one in at_colors if one}
        if versions:
            yield AssetsStatus(name, sum(edition.contents().values()), versions)


def thin_assets(house: House, gateway: Container) -> tuple[str, ...]:
    """Remove what is over; return whose files went. Raises GatewayError, EngineError."""
    now, gone = int(house.clock.now().timestamp()), []
    listed = house.engine.execute(gateway.id, ("ls", ASSETS))
    wanted = {name: one.assets for name, one in house.stack.services.items() if one.assets}
    for name in listed.text.split() if listed.exit_code == 0 else ():
        shelf = Shelf(house.engine, gateway.id, name)
        if name not in wanted:
            shelf.clear()
            gone.append(name)
            continue
        edition = shelf.read()
        thinner = edition.thin(now, find_longest(wanted[name]), find_most(wanted[name]))
        if thinner != edition:
            shelf.publish(thinner, f"prune-{now}")
        shelf.sweep(thinner)
        left = {one.version for one in thinner.versions}
        gone += [f"{name} {one.version}" for one in edition.versions if one.version not in left]
    return tuple(gone)
