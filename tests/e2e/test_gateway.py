"""What the gateway does for a service, seen by its clients: limits, cache, errors, headers."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import signal
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.e2e.operator import Operator, wait_for, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.xdist_group("gateway")

ROUTES = [
    {"path": "/app/"},
    {"path": "/limited/", "rate_limit": {"reads": "2/s", "writes": "6/m", "burst": 3}},
    {"path": "/cached/", "cache": {"ttl": "1s"}},
    {"path": "/long/", "cache": {"ttl": "60s"}},
    {"path": "/small/", "max_body": "1k"},
    {"path": "/quick", "timeouts": {"read": "300ms"}},
    {"path": "/unbuffered/", "buffering": False},
    {"path": "/readonly/", "methods": ["GET", "HEAD"]},
]


class Answer(NamedTuple):
    """What a client got."""

    status: int
    headers: Mapping[str, str | None]
    body: bytes

    @property
    def document(self) -> Any:
        """Return the JSON document in the body."""
        return json.loads(self.body)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Somebody whose app has a route for each thing that a gateway does."""
    operator = Operator(tmp_path_factory.mktemp("gateway"), f"t{secrets.token_hex(3)}")
    try:
        # A release takes a second to its switch, and kept connections outlive that by far.
        gate = {"interval": "100ms", "successes": 10}
        service = {"routes": ROUTES, "witness": [{"path": "/app/"}], "health": gate}
        operator.write_stack(service, keepalive="6s", drain_timeout="12s")
        operator.up()
        yield operator
    finally:
        operator.remove_everything()


@contextmanager
def client(operator: Operator) -> Iterator[http.client.HTTPConnection]:
    """Give a connection to the public listener."""
    connection = http.client.HTTPConnection("127.0.0.1", operator.public, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def send(
    connection: http.client.HTTPConnection,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request."""
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    return Answer(answer.status, defaultdict(lambda: None, answer.headers), answer.read())


def ask(
    operator: Operator,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request over a connection of its own."""
    with client(operator) as connection:
        return send(connection, path, method, body, headers)


def said_by(answer: Answer) -> tuple[str, int]:
    """Return the replica that gave an answer, and which of its answers it was."""
    return answer.document["replica"], answer.document["number"]


def assert_problem(answer: Answer, status: int, title: str) -> None:
    """Insist on a problem document as RFC 9457 wants it."""
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.document
    assert (document["status"], document["title"]) == (status, title)
    assert document["detail"]
    assert document["request_id"] == answer.headers["X-Request-ID"]


def test_large_answers_are_compressed_for_who_wants_that(gateway: Operator) -> None:
    """Small ones are not worth it."""
    large = ask(gateway, "/app/?size=9000", headers={"Accept-Encoding": "gzip"})
    assert large.headers["Content-Encoding"] == "gzip"
    assert len(large.body) < 1000
    assert large.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in ask(gateway, "/app/?size=9000").headers
    assert (
        "Content-Encoding" not in ask(gateway, "/app/", headers={"Accept-Encoding": "gzip"}).headers
    )


def test_an_answer_is_kept_and_expires(gateway: Operator) -> None:
    """The service is asked again when it is too old, and not before."""
    path = f"/cached/{secrets.token_hex(4)}"
    first, second = ask(gateway, path), ask(gateway, path)
    assert [answer.headers["X-Cache"] for answer in (first, second)] == ["MISS", "HIT"]
    assert first.document == second.document

    later = wait_until(
        lambda: next((a for a in (ask(gateway, path),) if a.document != first.document), None)
    )
    assert later.headers["X-Cache"] in ("EXPIRED", "MISS")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer token"},
        {"Cookie": "session=1"},
        {"Cache-Control": "no-cache"},
        {"X-Stackctl-Witness": "1"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_who_carries_a_token_or_wants_it_fresh_is_answered_by_the_service(
    gateway: Operator, headers: dict[str, str]
) -> None:
    """And what they got is not kept for others where it may be theirs alone."""
    path = f"/cached/{secrets.token_hex(4)}"
    known = said_by(ask(gateway, path))
    answers = [ask(gateway, path, headers=headers) for _ in range(2)]
    assert [answer.headers["X-Cache"] for answer in answers] == ["BYPASS", "BYPASS"]
    assert len({known, *map(said_by, answers)}) == 3

    private = f"/cached/{secrets.token_hex(4)}"
    if {"Authorization", "Cookie"} & headers.keys():
        ask(gateway, private, headers=headers)
        assert ask(gateway, private).headers["X-Cache"] == "MISS"


def test_only_reads_are_kept(gateway: Operator) -> None:
    """A POST goes to the service each time."""
    answers = [ask(gateway, "/cached/", "POST", b"12345") for _ in range(2)]
    assert [answer.document["bytes"] for answer in answers] == [5, 5]
    assert {answer.headers["X-Cache"] for answer in answers} == {None}


def test_who_comes_too_often_is_told_when_to_come_again(gateway: Operator) -> None:
    """Readers are counted apart from writers, and other paths not at all."""
    with client(gateway) as connection:
        reads = [send(connection, "/limited/") for _ in range(12)]
        refused = [answer for answer in reads if answer.status == 429]
        assert [answer.status for answer in reads[:4]] == [200] * 4
        assert len(refused) >= 5
        assert_problem(refused[0], 429, "Too Many Requests")
        assert refused[0].headers["Retry-After"] == "1"

        writes = [send(connection, "/limited/", "POST", b"") for _ in range(6)]
        assert [answer.status for answer in writes] == [200] * 4 + [429] * 2
        assert writes[-1].headers["Retry-After"] == "10"
        assert send(connection, "/app/").status == 200


def test_a_body_that_is_too_large_is_refused(gateway: Operator) -> None:
    """Announced or in pieces; one that fits is taken."""
    assert ask(gateway, "/small/", "POST", b"a" * 1024).document["bytes"] == 1024
    assert_problem(ask(gateway, "/small/", "POST", b"a" * 1025), 413, "Content Too Large")
    pieces = ask(
        gateway,
        "/small/",
        "POST",
        b"800\r\n" + b"a" * 2048 + b"\r\n0\r\n\r\n",
        headers={"Transfer-Encoding": "chunked"},
    )
    assert_problem(pieces, 413, "Content Too Large")


def test_a_service_that_does_not_answer_in_time_is_a_504(gateway: Operator) -> None:
    """The log keeps who it was; a path that only begins alike is another path."""
    mark = secrets.token_hex(8)
    answer = ask(gateway, "/quick?seconds=1", headers={"X-Request-ID": mark})
    assert_problem(answer, 504, "Gateway Timeout")
    entry = wait_until(lambda: find_in_log(gateway, mark))
    assert (entry["color"], entry["version"], entry["status"]) == ("blue", "v1", "504")

    assert ask(gateway, "/quick/below?seconds=0").status == 200
    assert_problem(ask(gateway, "/quickly"), 404, "Not Found")


def find_in_log(operator: Operator, request_id: str) -> Any:
    """Return the access log's entry of a request, once it is there."""
    log = operator.engine.logs(f"{operator.name}-gateway", stderr=False).decode()
    lines = [line for line in log.splitlines() if request_id in line]
    return json.loads(lines[-1]) if lines else None


def test_a_request_has_one_name_all_the_way(gateway: Operator) -> None:
    """The client's own where it is well-formed, in the service, the answer and the log."""
    mark = secrets.token_hex(8)
    answer = ask(gateway, "/app/", headers={"X-Request-ID": mark})
    assert answer.document["request_id"] == answer.headers["X-Request-ID"] == mark
    entry = wait_until(lambda: find_in_log(gateway, mark))
    assert float(entry["upstream_seconds"]) >= 0
    assert (entry["color"], entry["version"]) == ("blue", "v1")

    forged = ask(gateway, "/app/", headers={"X-Request-ID": '"},{"a":"'})
    assert forged.document["request_id"] == forged.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", forged.document["request_id"])


def test_answers_carry_security_headers_and_no_version_of_the_server(gateway: Operator) -> None:
    """Errors of the gateway's own as well."""
    for path in ("/app/", "/nowhere"):
        headers = ask(gateway, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Server"] == "nginx"
        assert headers["X-Stackctl-Served"] is None
    assert ask(gateway, "/app/").headers["X-Frame-Options"] == "DENY"
    assert ask(gateway, "/stackctl/problem").status == 404


def test_a_route_takes_only_its_methods(gateway: Operator) -> None:
    """The others are named in the answer."""
    assert ask(gateway, "/readonly/").status == 200
    refused = ask(gateway, "/readonly/", "POST", b"")
    assert_problem(refused, 405, "Method Not Allowed")
    assert refused.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(("route", "busy"), [("/app/", False), ("/unbuffered/", True)])
def test_a_slow_client_costs_the_service_nothing_where_answers_are_buffered(
    gateway: Operator, route: str, *, busy: bool
) -> None:
    """The service is done with 80 MB although the client has not read any of it."""
    with client(gateway) as slow:
        slow.request("GET", f"{route}?size=80000000")
        slow.getresponse()

        def seen() -> bool:
            asked = [gateway.ask_replica(number).json() for number in (1, 2)]
            return any(int(answer["in_flight"]) > 1 for answer in asked)

        wait_until(lambda: seen() is busy or None)


def test_no_old_answer_comes_from_the_cache_after_the_switch(gateway: Operator) -> None:
    """On kept connections of old workers neither, although these still serve the old version."""
    path = f"/long/{secrets.token_hex(4)}"
    with (
        ExitStack() as opened,
        gateway.running("deploy", "app", "--version", "v2", "--output", "json") as process,
    ):
        wait_for(process, "start")
        process.send_signal(signal.SIGSTOP)  # no switch before the users have asked
        # An old worker gives each of its kept connections one more answer.
        kept = [opened.enter_context(client(gateway)) for _ in range(10)]
        first = [send(each, path).document["version"] for each in kept]
        assert first == ["v1"] * 10
        assert ask(gateway, path).headers["X-Cache"] == "HIT"
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: gateway.config_id().endswith("-v2.promote") or None)

        assert ask(gateway, path).document["version"] == "v2"
        last = [send(each, path) for each in kept]
        old = [answer for answer in last if answer.document["version"] == "v1"]
        assert old
        assert {answer.headers["X-Cache"] for answer in old} == {"BYPASS"}
        process.communicate()
        assert process.returncode == 0
    assert ask(gateway, path).document["version"] == "v2"
    assert gateway.run("rollback", "app").code == 0


def test_one_dead_replica_of_two_costs_no_request(gateway: Operator) -> None:
    """Reads and writes go to the other one; without any the gateway says so, and recovers."""
    names = [name for name in gateway.containers() if "-app-" in name]
    assert len(names) == 2
    with client(gateway) as kept:
        gateway.engine.kill(names[0])
        answers = [
            send(kept, "/app/", method, b"" if method == "POST" else None)
            for _ in range(50)
            for method in ("GET", "POST")
        ]
    assert {answer.status for answer in answers} == {200}

    gateway.engine.kill(names[1])
    wait_until(lambda: ask(gateway, "/app/").status == 502 or None)  # 504 while it is looked for
    assert_problem(ask(gateway, "/app/"), 502, "Bad Gateway")
    for name in names:
        gateway.engine.start(name)
    wait_until(lambda: ask(gateway, "/app/").status == 200 or None)
