"""The servers of the public listener: which host names have which locations. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.gateway.locations import Location


class Site(NamedTuple):
    """A server of the public listener."""

    names: tuple[str, ...]  # as NGINX writes them; never empty
    locations: tuple[Location, ...]
    is_default: bool  # whether it answers for all hosts that no other site names


def list_sites(locations: Sequence[Location]) -> Iterator[Site]:
    """Yield the sites, the default one first. Its name is the Host of a request that has none."""
    yield Site(("localhost",), tuple(locations), is_default=True)
