"""By which host a service is asked, where its routes have any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.asking import Answer
from orchestrator.certificates.table import NO_CERTIFICATES, Certificate, CertificateTable
from orchestrator.evidence.wire import to_errand
from orchestrator.gateway.admin import Admin
from orchestrator.release.reach import find_url
from orchestrator.release.witness import list_requests, list_websockets
from orchestrator.stack.arrival import choose_host
from orchestrator.stack.hosts import find_closeness
from orchestrator.stack.model import Service
from orchestrator.stack.quantities import Address
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROUTES = [
    {"path": "/"},
    {"path": "/docs", "host": ["*.docs.example", "docs.example"], "websocket": True},
    {"path": "/docs/old/", "host": "*.old.example"},
]


def service(**keys: object) -> Service:
    """Return a service with what a test needs."""
    return Service.model_validate({"image": "web", "port": 80, "routes": ROUTES, **keys})


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/", "shop.example"),
        ("/documents", "shop.example"),
        ("/docs", "docs.example"),
        ("/docs/new", "docs.example"),
        ("/docs/old/", "stackctl-witness.old.example"),
        ("/docs/old", "docs.example"),
        ("/docsold", "shop.example"),
    ],
)
def test_the_longest_route_says_which_host(path: str, host: str) -> None:
    """The first name without a star, else one below the star; the service's where the route has none."""
    assert choose_host(service(hosts="shop.example"), path) == host


def test_a_route_for_all_hosts_needs_none() -> None:
    """It is asked by its address, as ever."""
    assert choose_host(service(), "/") is None
    assert choose_host(service(routes=[]), "/") is None


@pytest.mark.parametrize(
    ("patterns", "host", "closest"),
    [
        (["*.shop.example"], "a.b.shop.example", True),
        (["*.shop.example"], "shop.example", False),
        (["*.shop.example"], "myshop.example", False),
        (["*.shop.example"], "*.eu.shop.example", True),
        (["*.eu.shop.example"], "*.shop.example", False),
        (["shop.example"], "www.shop.example", False),
        (["shop.example"], None, False),
        ([], None, True),
    ],
)
def test_a_star_stands_for_what_is_below(
    patterns: list[str], host: str | None, *, closest: bool
) -> None:
    """And for nothing else; where no host is named, each is meant."""
    assert (find_closeness(patterns, host) is not None) == closest


def test_the_closest_name_wins() -> None:
    """An exact one, then the longest star, then all."""
    host = "a.eu.shop.example"
    ladder = [[], ["*.shop.example"], ["*.eu.shop.example"], ["a.eu.shop.example"]]
    found = [find_closeness(patterns, host) for patterns in ladder]
    assert found == sorted(found, key=lambda one: -1 if one is None else one)
    assert len(set(found)) == len(ladder)


def test_a_witness_comes_by_a_host_that_leads_there() -> None:
    """Also to a WebSocket; a request of stack.yaml may name another one. Its evidence says which."""
    own = [{"path": "/docs/x?y=/z"}, {"path": "/", "host": "b.docs.example:8080"}, {"path": "/"}]
    asked = list_requests(service(witness=own))
    assert [one.name for one in asked] == [
        "GET docs.example/docs/x?y=/z",
        "GET b.docs.example:8080/",
        "GET /",
    ]
    errands = [to_errand(one, "127.0.0.1:1", "1") for one in asked]
    hosts = [dict(errand.head.headers)[b"host"] for errand in errands]
    assert hosts == [b"docs.example", b"b.docs.example:8080", b"127.0.0.1:1"]
    assert [errand.name for errand in errands] == [one.name for one in asked]
    assert [one.where for one in list_websockets(service())] == ["docs.example/docs"]


def test_the_door_is_asked_by_that_host() -> None:
    """As users come; where it does not matter, by its address."""
    heard: list[Mapping[str, str]] = []

    def ask(*_: Any, headers: Mapping[str, str] = {}, **__: Any) -> Answer:
        heard.append(headers)
        return Answer(200, headers={"x-stackctl-served": "web_blue"})

    admin = Admin(Address("127.0.0.1", 1), Address("127.0.0.1", 2), ask)
    assert admin.served("/", "shop.example") == admin.served("/") == "web_blue"
    assert [headers.get("Host") for headers in heard] == ["shop.example", None]


def test_people_are_shown_the_host(tmp_path: Path) -> None:
    """With the port that the door is published at."""
    world = World(tmp_path)
    world.notes["routes"] = [{"path": "/notes/", "host": "notes.example"}]
    assert find_url(world.house, "notes", NO_CERTIFICATES) == "http://notes.example:8080/notes/"


@pytest.mark.parametrize(
    ("name", "port", "url"),
    [
        ("notes.example", 443, "https://notes.example/notes/"),
        ("*.example", 8443, "https://notes.example:8443/notes/"),
        ("other.example", 443, "http://notes.example:8080/notes/"),
    ],
)
def test_people_are_shown_tls_where_a_certificate_names_the_host(
    tmp_path: Path, name: str, port: int, url: str
) -> None:
    """With the port of that door."""
    world = World(tmp_path)
    world.notes["routes"] = [{"path": "/notes/", "host": "notes.example"}]
    files = [{"certificate": "a.pem", "key": "a.key"}]
    world.document["gateway"]["tls"] = {"listen": port, "certificates": files}
    served = Certificate("0" * 32 + "-" + "0" * 8, "ec", (name,), 0, 1, "CA")
    assert find_url(world.house, "notes", CertificateTable((served,))) == url
