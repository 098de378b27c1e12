"""A service that is called by gRPC: how it is asked for its health, and what its answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.asking import Answer
from orchestrator.errors import StackctlError
from orchestrator.events import Probed
from orchestrator.evidence.wire import to_errand
from orchestrator.grpc import CHECK, name_status, read_state, read_status, write_check
from orchestrator.health import judge
from orchestrator.lifecycle.certification import gather_certificates
from orchestrator.lifecycle.door import reconfigure
from orchestrator.lifecycle.findings import Findings
from orchestrator.release.observe import observe
from orchestrator.release.witness import list_requests
from orchestrator.stack.health import Health
from orchestrator.stack.model import Service
from tests.fakes.apps import NEVER, App
from tests.fakes.world import HEALTH, MONGO, World

if TYPE_CHECKING:
    from pathlib import Path

SERVING = b"\0\0\0\0\x02\x08\x01"
WHOLE = Health(path=CHECK, service="")  # asked for the app as a whole
NAMED = Health(path=CHECK, service="shop.Orders")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack whose service speaks gRPC and serves v1."""
    world = World(tmp_path)
    world.notes["protocol"] = "grpc"
    world.host.apps |= dict.fromkeys(("v1", "v2"), App(calls=True))
    return world.begin()


def test_a_question_names_the_service_or_none() -> None:
    """As HealthCheckRequest: field 1 is a text, and one that is empty is not sent."""
    assert write_check("") == b"\0\0\0\0\0"
    assert write_check("a.B") == b"\0\0\0\0\x05\x0a\x03a.B"
    assert write_check("x" * 127) == b"\0\0\0\0\x81\x0a\x7f" + b"x" * 127
    assert WHOLE.body == b"\0\0\0\0\0"
    assert NAMED.body == write_check("shop.Orders")
    assert Health().body == b""


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (SERVING, "SERVING"),
        (b"\0\0\0\0\x02\x08\x02", "NOT_SERVING"),
        (b"\0\0\0\0\x02\x08\x03", "SERVICE_UNKNOWN"),
        (b"\0\0\0\0\0", "UNKNOWN"),
        (b"\0\0\0\0\x02\x08\0", "UNKNOWN"),
        (b"", ""),
        (b"\0\0\0", ""),
        (b"\1\0\0\0\x02\x08\x01", ""),  # compressed
        (b"\0\0\0\0\x03\x08\x01", ""),  # cut off
        (b"\0\0\0\0\x02\x08\x04", ""),
        (b"\0\0\0\0\x02\x10\x01", ""),  # another field
        (b"\0\0\0\0\x03\x08\x81\x01", ""),  # 129
        (b'{"status": "ok"}', ""),
    ],
)
def test_an_answer_tells_a_state(body: bytes, state: str) -> None:
    """As HealthCheckResponse: field 1 is a number, and 0 is not sent. All else is no answer."""
    assert read_state(body) == state


def test_a_status_is_a_small_number() -> None:
    """What is none is UNKNOWN, as it is to clients."""
    assert [read_status(text) for text in ("0", "12", "x", "", "-1", "123", "²")] == [
        *(0, 12, 2, 2, 2, 2, 2)
    ]
    assert (name_status(14), name_status(17)) == ("UNAVAILABLE", "a status that gRPC does not know")


@pytest.mark.parametrize(
    ("health", "answer", "text", "hint"),
    [
        (WHOLE, Answer(200, b"\0\0\0\0\x02\x08\x02"), "NOT_SERVING", "`health.deadline`"),
        (
            WHOLE,
            Answer(200, headers={"grpc-status": "12"}),
            "status 12 UNIMPLEMENTED",
            "health.port",
        ),
        (WHOLE, Answer(200), "no state in the answer", "`health.port`"),
        (WHOLE, Answer(200, b'{"version": "v1"}'), "no state in the answer", "`health.port`"),
        (
            NAMED,
            Answer(200, headers={"grpc-status": "5", "grpc-message": "unknown service"}),
            "status 5 NOT_FOUND (asked was `shop.Orders`): unknown service",
            "`health.service`",
        ),
        (
            NAMED,
            Answer(200, b"\0\0\0\0\x02\x08\x03"),
            "SERVICE_UNKNOWN (asked was `shop.Orders`)",
            "`health.service`",
        ),
        (
            WHOLE,
            Answer(200, headers={"grpc-status": "16"}),
            "status 16 UNAUTHENTICATED",
            "who calls",
        ),
        (WHOLE, Answer(200, headers={"grpc-status": "14"}), "status 14 UNAVAILABLE", ""),
        (WHOLE, Answer(404, b"Not Found"), "status 404 Not Found", "`protocol: grpc`"),
    ],
)
def test_an_app_that_is_not_well_is_told_with_a_hint(
    health: Health, answer: Answer, text: str, hint: str
) -> None:
    """What it said, in gRPC's words, and what to do about just that."""
    verdict = judge(answer, "v1", health)
    assert not verdict.healthy
    assert verdict.text == text
    assert hint in verdict.hint
    assert bool(verdict.hint) is bool(hint)


def test_an_app_that_serves_is_healthy() -> None:
    """Whether it was asked for a service or for all; what it says of its version is nothing."""
    assert judge(Answer(200, SERVING), "v1", WHOLE).healthy
    assert judge(Answer(200, SERVING), "v1", NAMED).healthy


def test_a_release_asks_by_grpc(world: World) -> None:
    """Gate, preview and the look at who is healthy: no port for HTTP is needed."""
    assert world.deploy("v2").outcome == "deployed"
    assert world.serving() == {"v2"}
    active = world.status().services[0].active
    assert active is not None
    assert active.healthy == 2
    good = [event for event in world.events if isinstance(event, Probed) and event.healthy]
    assert {event.status for event in good} == {0}


@pytest.mark.parametrize(
    ("app", "text", "hint"),
    [
        (App(calls=True, healthy_after=NEVER), "answered NOT_SERVING", "health.deadline"),
        (App(), "is reached at port 8000, and does not speak HTTP/2 there", "`protocol`"),
        (App(calls=True, port=3000), "listens on port 3000, and not on 8000", "port"),
        (App(calls=True, listens="::", bare=True), "answered status 502", "health.deadline"),
    ],
)
def test_one_that_does_not_serve_gets_no_users(
    world: World, app: App, text: str, hint: str
) -> None:
    """And why is told."""
    world.notes["health"] = {**HEALTH, "deadline": "1s"}
    world.host.apps["v2"] = app
    result = world.deploy("v2")
    assert (result.outcome, world.serving()) == ("reverted", {"v1"})
    assert result.error is not None
    assert text in result.error.message
    assert hint in str(result.error.hint)


@pytest.mark.parametrize(
    ("before", "after"), [("http", "grpc"), ("http", "h2c"), ("h2c", "http"), ("grpc", "h2c")]
)
def test_another_protocol_is_refused_while_one_serves(
    tmp_path: Path, before: str, after: str
) -> None:
    """By `up` and by `deploy`, before anything is changed: both colors are reached alike."""
    world = World(tmp_path)
    world.notes["protocol"] = before
    world.host.apps["v1"] = App(calls=before == "grpc")
    world.begin()
    world.notes["protocol"] = after
    world.document["accessories"] = {"db": MONGO}
    said = f"`services.notes` is served by `protocol: {before}`, and stack.yaml says `{after}`"
    snapshot = observe(world.house)
    with pytest.raises(StackctlError, match=said):  # as `certs renew` would have it
        reconfigure(world.house, Findings(), gather_certificates(world.house, snapshot))
    with pytest.raises(StackctlError, match=said):
        world.up()
    assert world.changes() == []
    result = world.deploy("v2")
    assert (result.outcome, world.serving()) == ("reverted", {"v1"})
    assert said in str(result.error)
    assert world.host.cut == []
    del world.document["accessories"]
    world.notes["protocol"] = before
    world.up()


def test_one_that_nobody_has_may_change(tmp_path: Path) -> None:
    """The first version decides."""
    world = World(tmp_path)
    world.host.apps["v1"] = App(ready_after=NEVER)
    world.notes["health"] = {**HEALTH, "deadline": "1s"}
    world.up()
    assert world.serving() == set()
    world.notes["protocol"] = "h2c"
    world.host.apps["v1"] = App()
    world.up()
    assert world.serving() == {"v1"}


ORDERS = {"image": "o:{version}", "port": 50051, "protocol": "grpc", "routes": []}


def called(**service: Any) -> list[tuple[str, str | None, bytes]]:
    """Return what the witness of such a service calls: names, hosts and messages."""
    calls = list_requests(Service.model_validate({**ORDERS, **service}))
    return [(one.name, one.host, to_errand(one, "localhost", "1").body) for one in calls]


def test_the_witness_calls_the_health_service_where_clients_can() -> None:
    """By the shortest question; by the host that leads there."""
    check = f"gRPC {CHECK}"
    assert called(routes=[{"path": "/"}]) == [(check, None, b"\0\0\0\0\0")]
    assert called(routes=[{"path": "/grpc.health.v1.Health/"}, {"path": "/a.A/"}]) == [
        (check, None, b"\0\0\0\0\0")
    ]
    assert called(health={"service": "a.A"}, routes=[{"path": "/", "host": "*.shop.example"}]) == [
        (
            f"gRPC stackctl-witness.shop.example{CHECK}",
            "stackctl-witness.shop.example",
            write_check("a.A"),
        )
    ]


def test_it_calls_a_method_that_nobody_has_where_they_cannot() -> None:
    """Below each route, once, by its host; a message without fields fits any method."""
    empty = b"\0\0\0\0\0"
    routes = [
        {"path": "/a.A/", "host": "a.example"},
        {"path": "/b.B"},
        {"path": "/grpc.health.v1.Healthy/"},
    ]
    assert called(health={"service": "a.A"}, routes=routes) == [
        ("gRPC a.example/a.A/StackctlWitness", "a.example", empty),
        ("gRPC /b.B/StackctlWitness", None, empty),
        ("gRPC /grpc.health.v1.Healthy/StackctlWitness", None, empty),
    ]
    assert called() == []


def test_it_calls_what_it_is_told_to() -> None:
    """By the host that it is told, too."""
    witness = [{"path": "/a.A/List"}, {"path": "/a.A/Count", "host": "b.example"}]
    assert called(witness=witness, routes=[{"path": "/"}]) == [
        ("gRPC /a.A/List", None, b"\0\0\0\0\0"),
        ("gRPC b.example/a.A/Count", "b.example", b"\0\0\0\0\0"),
    ]
