"""Which page browsers are shown in the place of an error of NGINX's own: rows of a map. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.gateway.supplies import Supplies
    from orchestrator.stack.model import Stack

CLASSES = {"4xx": "4[0-9][0-9]", "50x": "50[0-9]"}


class Sheet(NamedTuple):
    """A row: the service whose route it is and the status, and the id of the page."""

    match: str
    id: str


def list_sheets(stack: Stack, supplies: Supplies) -> list[Sheet]:
    """Return the rows: a service's before the gateway's, a status before a class of them."""
    found: list[Sheet] = []
    for name, service in stack.services.items():
        found += _list_rows(f"^{name} ", service.error_pages, supplies)
    return [*found, *_list_rows(" ", stack.gateway.error_pages, supplies)]


def list_paged(stack: Stack) -> set[str]:
    """Return the services that have pages of their own."""
    return {name for name, service in stack.services.items() if service.error_pages}


def _list_rows(begin: str, pages: Mapping[str, str], supplies: Supplies) -> Iterator[Sheet]:
    for status in sorted(pages, key=lambda status: (status in CLASSES, status)):
        if identity := supplies.page(pages[status]):
            yield Sheet(f'"~{begin}{CLASSES.get(status, status)}$"', identity)
