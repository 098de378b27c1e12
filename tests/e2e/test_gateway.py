"""What the gateway does for a service, seen by its clients: limits, cache, errors, headers."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import socket
from collections import defaultdict
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest
import yaml

from orchestrator.asking import Unanswered
from tests.e2e.operator import Operator, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.xdist_group("gateway")

ROUTES = [
    {"path": "/app/"},
    {"path": "/limited/", "rate_limit": {"reads": "2/s", "writes": "6/m", "burst": 3}},
    {"path": "/burst/", "rate_limit": {"reads": "1/m", "burst": 5}},
    {"path": "/cached/", "cache": {"ttl": "1s"}},
    {"path": "/long/", "cache": {"ttl": "60s"}},
    {"path": "/small/", "max_body": "1k"},
    {"path": "/quick", "timeouts": {"read": "1s"}},
    {"path": "/unbuffered/", "buffering": False},
    {"path": "/readonly/", "methods": ["GET", "HEAD"]},
    {"path": "/large/", "max_body": "4m"},
    {"path": "/large/limited/", "max_body": "4m", "rate_limit": {"writes": "6/m", "burst": 1}},
    {"path": "/inner/", "strip_prefix": True},
    {"path": "/inner/v1.2/", "strip_prefix": True, "buffering": {"requests": False}},
    {"path": "/exact", "methods": ["GET"]},
    {"path": "/tenants/", "cache": {"ttl": "60s", "identity": ["api_key"]}},
    {"path": "/plain/", "gzip": False, "security_headers": False},
    {"path": "/single/", "rate_limit": {"reads": "1/m", "burst": 0}},
]
LARGE = b"a" * 3 * 2**20


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
        operator.write_stack(service, keepalive="40s", drain_timeout="44s")
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
        reads = [send(connection, "/limited/") for _ in range(40)]
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
    assert "max_body" in pieces.document["detail"]


def test_an_upload_is_taken_where_no_limit_is_written(gateway: Operator) -> None:
    """A photo or a document of some megabytes, as apps get them every day."""
    assert ask(gateway, "/app/", "POST", LARGE).document["bytes"] == len(LARGE)


def test_no_error_becomes_another_one_by_a_large_body(gateway: Operator) -> None:
    """Whether its length is known or not; and the log keeps what was asked."""
    assert ask(gateway, "/large/", "POST", LARGE).document["bytes"] == len(LARGE)
    answers = [ask(gateway, "/large/limited/", "POST", LARGE) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert_problem(answers[-1], 429, "Too Many Requests")

    mark = secrets.token_hex(8)
    pieces = b"%x\r\n%b\r\n" % (len(LARGE), LARGE) * 2 + b"0\r\n\r\n"
    headers = {"Transfer-Encoding": "chunked", "X-Request-ID": mark}
    refused = ask(gateway, "/large/", "POST", pieces, headers)
    assert_problem(refused, 413, "Content Too Large")
    entry = wait_until(lambda: find_in_log(gateway, mark))
    assert (entry["method"], entry["status"]) == ("POST", "413")


@pytest.mark.parametrize(
    ("head", "status", "title"),
    [
        (b"GET /app/ HTTP/1.1\r\n", 400, "Bad Request"),
        (b"GET /app/%00 HTTP/1.1\r\nHost: a\r\n", 400, "Bad Request"),
        (b"\x16\x03\x01\r\n", 400, "Bad Request"),
        (b"GET /app/%b HTTP/1.1\r\nHost: a\r\n" % (b"a" * 9000), 414, "URI Too Long"),
        (
            b"GET /app/ HTTP/1.1\r\nHost: a\r\nCookie: %b\r\n" % (b"a" * 9000),
            431,
            "Request Header Fields Too Large",
        ),
        (
            b"POST /app/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n",
            501,
            "Not Implemented",
        ),
        (b"GET /app/ HTTP/3.0\r\nHost: a\r\n", 505, "HTTP Version Not Supported"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_what_is_no_request_for_a_service_is_told_what_is_wrong(
    gateway: Operator, head: bytes, status: int, title: str
) -> None:
    """With a problem document, as everything that the gateway answers by itself."""
    with closing(socket.create_connection(("127.0.0.1", gateway.public), timeout=30)) as wire:
        wire.sendall(head + b"Connection: close\r\n\r\n")
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        got = Answer(answer.status, defaultdict(lambda: None, answer.headers), answer.read())
    assert_problem(got, status, title)


def test_a_service_that_does_not_answer_in_time_is_a_504(gateway: Operator) -> None:
    """The log keeps who it was; a path that only begins alike is another path."""
    mark = secrets.token_hex(8)
    answer = ask(gateway, "/quick?seconds=3", headers={"X-Request-ID": mark})
    assert_problem(answer, 504, "Gateway Timeout")
    entry = wait_until(lambda: find_in_log(gateway, mark))
    assert (entry["color"], entry["target"], entry["status"]) == ("blue", "app_blue", "504")

    assert ask(gateway, "/quick/below?seconds=0").status == 200
    assert_problem(ask(gateway, "/quickly"), 404, "Not Found")


def find_in_log(operator: Operator, request_id: str) -> Any:
    """Return the access log's entry of a request, once it is there."""
    lines = [line for line in operator.gateway_log().splitlines() if request_id in line]
    return json.loads(lines[-1]) if lines else None


def test_a_request_has_one_name_all_the_way(gateway: Operator) -> None:
    """The client's own where it is well-formed, in the service, the answer and the log."""
    mark = secrets.token_hex(8)
    answer = ask(gateway, "/app/", headers={"X-Request-ID": mark})
    assert answer.document["request_id"] == answer.headers["X-Request-ID"] == mark
    entry = wait_until(lambda: find_in_log(gateway, mark))
    assert float(entry["upstream_seconds"]) >= 0
    assert (entry["color"], entry["target"]) == ("blue", "app_blue")

    forged = ask(gateway, "/app/", headers={"X-Request-ID": '"},{"a":"'})
    assert forged.document["request_id"] == forged.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", forged.document["request_id"])


def test_answers_carry_security_headers_and_no_version_of_the_server(gateway: Operator) -> None:
    """A service's pages may frame each other and name their origin; the gateway's own errors do neither."""
    strict, usual = ("DENY", "no-referrer"), ("SAMEORIGIN", "strict-origin-when-cross-origin")
    for path, (frames, referrer) in {"/app/": usual, "/nowhere": strict}.items():
        headers = ask(gateway, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Server"] == "nginx"
        assert headers["X-Frame-Options"] == frames
        assert headers["Referrer-Policy"] == referrer
        assert headers["X-Stackctl-Served"] is None
    assert ask(gateway, "/stackctl/problem").status == 404


def test_a_route_takes_only_its_methods(gateway: Operator) -> None:
    """The others are named in the answer."""
    assert ask(gateway, "/readonly/").status == 200
    refused = ask(gateway, "/readonly/", "POST", b"")
    assert_problem(refused, 405, "Method Not Allowed")
    assert refused.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("route", "size", "busy"),
    [
        ("/app/", 3_000_000, False),
        ("/app/", 80_000_000, True),  # more than the 4 MiB that wait on disk
        ("/unbuffered/", 80_000_000, True),
    ],
)
def test_a_slow_client_costs_the_service_nothing_where_answers_are_buffered(
    gateway: Operator, route: str, size: int, *, busy: bool
) -> None:
    """The service is done with 3 MB although the client has not read any of it."""
    with client(gateway) as slow:
        slow.request("GET", f"{route}?size={size}")
        slow.getresponse()
        wait_until(lambda: bool(count_in_flight(gateway)) is busy or None)


def test_a_slow_sender_costs_the_service_nothing_where_requests_are_buffered(
    gateway: Operator,
) -> None:
    """Of two requests that are half sent, the service knows the one that is passed on as it comes."""
    with client(gateway) as kept_back, client(gateway) as passed_on:
        for sender, route in ((kept_back, "/app/"), (passed_on, "/unbuffered/")):
            sender.putrequest("POST", route)
            sender.putheader("Content-Length", "20000")
            sender.endheaders(b"a" * 10_000)
        wait_until(lambda: count_in_flight(gateway) or None)
        assert count_in_flight(gateway) == 1
        for sender in (kept_back, passed_on):
            sender.send(b"a" * 10_000)
            assert json.loads(sender.getresponse().read())["bytes"] == 20_000


def count_in_flight(operator: Operator) -> int:
    """Return how many requests both replicas are at, without those that ask this."""
    asked = [operator.ask_replica(number).json() for number in (1, 2)]
    return sum(int(answer["in_flight"]) - 1 for answer in asked)


def is_up(operator: Operator, number: int) -> bool:
    """Whether a replica answers; it may not listen yet."""
    try:
        return operator.ask_replica(number).good
    except Unanswered:
        return False


def send_raw(operator: Operator, head: str) -> Answer:
    """Send a request whose head is just this, and read one answer."""
    with closing(socket.create_connection(("127.0.0.1", operator.public), timeout=30)) as wire:
        wire.sendall(head.replace("\n", "\r\n").encode("latin-1"))
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        return Answer(answer.status, defaultdict(lambda: None, answer.headers), answer.read())


def hear(answer: Answer) -> dict[str, list[str]]:
    """Return the headers that the service got, by their names in lower case."""
    heard: dict[str, list[str]] = {}
    for name, value in answer.document["headers"]:
        heard.setdefault(name.lower(), []).append(value)
    return heard


ECHO = {"X-Echo": "1"}


FORGED = {
    "Forwarded": "for=6.6.6.6;host=evil;proto=https",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-Server": "evil",
    "X-Forwarded-Ssl": "on",
    "X-Real-IP": "6.6.6.6",
}


def test_a_client_cannot_forge_what_a_proxy_says(gateway: Operator) -> None:
    """The whole family of forwarded headers says what the gateway knows, and nothing else."""
    heard = hear(ask(gateway, "/app/", headers=ECHO | FORGED))
    family = {name: heard[name] for name in heard if "forwarded" in name or name == "x-real-ip"}
    (client,) = family["x-real-ip"]
    assert client != "6.6.6.6"
    assert family == {
        "x-forwarded-for": [client],
        "x-forwarded-host": [f"127.0.0.1:{gateway.public}"],
        "x-forwarded-port": [str(gateway.public)],
        "x-forwarded-proto": ["http"],
        "x-real-ip": [client],
    }


@pytest.mark.parametrize("route", ["/inner/", "/inner/v1.2/"])
@pytest.mark.parametrize(
    "rest", ["a%2Fb", "/x", "a//b", "%20%3F", "%7e?q=%2F&r=//", "", "?q", "a;b=1", "%C3%A4", "a+b"]
)
def test_a_stripped_path_is_the_one_that_was_sent(gateway: Operator, route: str, rest: str) -> None:
    """Less its prefix: nothing is decoded, nothing merged, and the query stays."""
    for method in ("GET", "POST"):
        answer = ask(gateway, f"{route}{rest}", method, headers=ECHO)
        assert answer.document["path"] == f"/{rest}"


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("/%69nner/a%20b?q=%2F", "/a%20b?q=%2F"),
        ("//inner/a", "/a"),
        ("/app/../inner/a", "/a"),
        ("/inner/a/../b?q", "/b?q"),
        ("/inner/%2e%2e/inner/b", "/b"),
        ("/inner/a%2fb/%2e./c", "/a/c"),
        ("/inner/./a", "/a"),
        ("/inner/..a/.b/c..", "/..a/.b/c.."),
        ("/app/a%2Fb//c", "/app/a%2Fb//c"),
        ("/app/a%2fb/../../app/c", "/app/app/c"),
        ("/inner/../exact", "/exact"),
        ("/inner/..%2fexact", "/exact"),
        ("/app/%2E%2E/exact?q", "/exact?q"),
        ("//exact", "/exact"),
        ("/%65xact", "/exact"),
        ("/exact%2Fx", "/exact/x"),
        ("/exact/x%2Fy", "/exact/x%2Fy"),
        ("/exact?a=/../b", "/exact?a=/../b"),
    ],
)
def test_a_path_means_the_same_to_gateway_and_service(
    gateway: Operator, sent: str, got: str
) -> None:
    """What leaves its route by dots, or comes to it otherwise than by name, is sent as it was
    understood: nothing reaches one route's service with the limits of another.
    """
    answer = send_raw(gateway, f"GET {sent} HTTP/1.1\nHost: a\nX-Echo: 1\nConnection: close\n\n")
    assert (answer.status, answer.document.get("path")) == (200, got)


@pytest.mark.parametrize(
    "path",
    ["/exact", "/app/../exact", "/app/%2e%2e/exact", "/app/..%2Fexact", "//exact", "/%65xact"],
)
def test_no_spelling_of_a_path_goes_round_its_route(gateway: Operator, path: str) -> None:
    """The methods of a route hold however its path is written."""
    head = f"DELETE {path} HTTP/1.1\nHost: a\nConnection: close\n\n"
    assert send_raw(gateway, head).status == 405


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("/items/", "/inner/items/"),
        ("/", "/inner/"),
        ("/inner/items/", "/inner/items/"),
        ("/innermost", "/inner/innermost"),
        ("items/?q=1", "items/?q=1"),
        ("//other.example/items/", "//other.example/items/"),
        ("https://other.example/items/", "https://other.example/items/"),
        ("http://{host}/items/?q=1", "http://{host}/inner/items/?q=1"),
        ("http://{host}/inner/items/", "http://{host}/inner/items/"),
    ],
)
def test_a_redirect_keeps_the_prefix_that_was_stripped(
    gateway: Operator, sent: str, got: str
) -> None:
    """The service does not know it; one that reads X-Forwarded-Prefix does, and is left alone."""
    host = f"127.0.0.1:{gateway.public}"
    wish = quote(f"Location: {sent.format(host=host)}")
    answer = ask(gateway, f"/inner/?status=307&head={wish}", headers=ECHO)
    assert (answer.status, answer.headers["Location"]) == (307, got.format(host=host))
    assert hear(answer)["x-forwarded-prefix"] == ["/inner"]


def test_a_refresh_keeps_the_prefix_too(gateway: Operator) -> None:
    """It is a redirect that waits; and a route that strips nothing says nothing else."""
    wish = quote("Refresh: 5; url=/items/")
    assert ask(gateway, f"/inner/?head={wish}").headers["Refresh"] == "5; url=/inner/items/"
    wish = quote("Location: /items/")
    assert ask(gateway, f"/app/?status=302&head={wish}").headers["Location"] == "/items/"


def test_a_service_is_told_a_host_in_any_case(gateway: Operator) -> None:
    """HTTP/1.0 knows none, and balancers and monitors speak it; HTTP/1.1 insists on one."""
    heard = hear(send_raw(gateway, "GET /app/ HTTP/1.0\nX-Echo: 1\n\n"))
    assert heard["host"] == ["localhost"]
    heard = hear(send_raw(gateway, "GET /app/ HTTP/1.0\nX-Echo: 1\nHost: a.example:81\n\n"))
    assert heard["host"] == ["a.example:81"]


IMITATIONS = (
    *("X_Forwarded_For", "X-Forwarded_For", "X_Forwarded-For", "x_forwarded_proto"),
    *("X_Forwarded_Host", "X_Forwarded_Prefix", "X_Real_IP", "X-Real_IP", "X_Request_ID"),
    *("Content_Length", "Transfer_Encoding"),
)


def test_headers_with_an_underscore_are_passed_on(gateway: Operator) -> None:
    """But none that a service may take for one of the gateway's own, or for a body's length."""
    names = ("api_key", "X_Trace", "_private")
    sent = {**ECHO, **dict.fromkeys(names, "k"), **dict.fromkeys(IMITATIONS, "6")}
    heard = hear(ask(gateway, "/app/", headers=sent))
    assert [heard.get(name.lower()) for name in names] == [["k"]] * len(names)
    assert heard.keys() & {name.lower() for name in IMITATIONS} == set()


TRUSTING = {"trusted_proxies": ["127.0.0.1"]}  # which the gateway sees by another address
SAID = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example",
    "X-Forwarded-Port": "443",
}


@contextmanager
def trusting(operator: Operator) -> Iterator[None]:
    """Let the gateway believe the host, for a while."""
    file = operator.folder / "stack.yaml"
    text = file.read_text()
    stack = yaml.safe_load(text)
    stack["gateway"] |= TRUSTING
    operator.write(stack)
    operator.up()
    try:
        yield
    finally:
        file.write_text(text)
        operator.up()


def test_a_proxy_that_is_trusted_says_who_the_client_is(gateway: Operator) -> None:
    """To services, limits, the log and redirects; the admin listener is not fooled by it."""
    with trusting(gateway):
        mark = secrets.token_hex(8)
        heard = hear(ask(gateway, "/app/", headers={**ECHO, **SAID, "X-Request-ID": mark}))
        assert heard["x-forwarded-for"] == heard["x-real-ip"] == ["203.0.113.7"]
        assert heard["x-forwarded-proto"] == ["https"]
        assert heard["x-forwarded-host"] == ["shop.example"]
        assert heard["x-forwarded-port"] == ["443"]
        assert heard["host"] == [f"127.0.0.1:{gateway.public}"]
        assert wait_until(lambda: find_in_log(gateway, mark))["client"] == "203.0.113.7"

        wish = quote("Location: https://shop.example/items/")
        moved = ask(gateway, f"/inner/?status=302&head={wish}", headers=SAID)
        assert moved.headers["Location"] == "https://shop.example/inner/items/"

        clients = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(20)]
        sent = [ask(gateway, "/burst/", headers=each).status for each in clients]
        assert sent == [200] * len(clients)

        # Whoever says nothing is the client, and has what the gateway knows of itself.
        heard = hear(ask(gateway, "/app/", headers=ECHO | {"X-Forwarded-Proto": "gopher"}))
        assert heard["x-forwarded-proto"] == ["http"]
        assert heard["x-forwarded-host"] == [f"127.0.0.1:{gateway.public}"]
        assert "x-forwarded-port" not in heard  # a proxy's port is not made up

        with closing(http.client.HTTPConnection("127.0.0.1", gateway.admin, timeout=30)) as admin:
            assert send(admin, "/serving", headers=SAID).status == 200
        assert beside(gateway, SAID["X-Forwarded-For"]) == 403


ASKER = """
import http.client, sys
for address in sys.argv[1:]:
    try:
        connection = http.client.HTTPConnection(address, 8081, timeout=2)
        connection.request("GET", "/serving", headers={{"X-Forwarded-For": "{forwarded}"}})
        print(connection.getresponse().status)
        break
    except OSError:
        pass
"""


def read_in_gateway(operator: Operator, path: str) -> str:
    """Return a file of the gateway's container."""
    return run_in(operator, f"{operator.name}-gateway", "cat", path)


def run_in(operator: Operator, container: str, *command: str) -> str:
    """Return what a command in a container prints."""
    code = operator.engine.exec_create(container, list(command))
    printed = operator.engine.exec_start(code["Id"])
    assert isinstance(printed, bytes)
    return printed.decode()


def beside(operator: Operator, claimed: str) -> int:
    """Return what the admin listener says to a container that claims to be the host."""
    (host,) = re.findall(r"^(\S+) 0;", read_in_gateway(operator, "/tmp/admin.map"), re.MULTILINE)
    asked = ASKER.format(forwarded=f"{host}, {claimed}, {host}")
    replica = next(name for name in operator.containers() if "-app-" in name)
    gateways = [a for a in operator.addresses() if a]
    return int(run_in(operator, replica, "python", "-c", asked, *gateways))


@pytest.mark.parametrize(
    "headers",
    [{"X-Api-Key": "k"}, {"Authorization": "0"}, {"Cookie": "0"}],
    ids=lambda headers: next(iter(headers)),
)
def test_what_one_caller_got_is_not_told_to_another(
    gateway: Operator, headers: dict[str, str]
) -> None:
    """Whoever says who they are goes past the cache, whatever they say."""
    path = f"/long/{secrets.token_hex(4)}"
    ask(gateway, path, headers=headers)
    assert ask(gateway, path).headers["X-Cache"] == "MISS"
    assert ask(gateway, path, headers=headers).headers["X-Cache"] == "BYPASS"


def test_an_answer_is_kept_for_those_that_it_varies_by(gateway: Operator) -> None:
    """What the service names in Vary is told apart."""
    path = f"/long/{secrets.token_hex(4)}?head={quote('Vary: Accept-Language')}"
    found = [
        ask(gateway, path, headers={"Accept-Language": each}) for each in ("de", "en", "de", "en")
    ]
    assert [answer.headers["X-Cache"] for answer in found] == ["MISS", "MISS", "HIT", "HIT"]
    assert said_by(found[0]) == said_by(found[2]) != said_by(found[1])


def test_a_route_says_which_headers_tell_a_caller(gateway: Operator) -> None:
    """In place of the three that do by default; a key may be called anything."""
    path = f"/tenants/{secrets.token_hex(4)}"
    ask(gateway, path, headers={"api_key": "k"})
    assert ask(gateway, path).headers["X-Cache"] == "MISS"
    assert ask(gateway, path, headers={"Cookie": "a=b"}).headers["X-Cache"] == "HIT"
    assert ask(gateway, path, headers={"api_key": "k"}).headers["X-Cache"] == "BYPASS"


def test_a_route_can_do_without_compression(gateway: Operator) -> None:
    """Tags and lengths of its answers are the service's own."""
    wish = quote('ETag: "abc"')
    path = f"/plain/?size=9000&head={wish}"
    answer = ask(gateway, path, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] is None
    assert answer.headers["ETag"] == '"abc"'


def test_a_route_can_do_without_security_headers(gateway: Operator) -> None:
    """Its service decides; requests keep their name, and errors of the gateway's own their headers."""
    mark = secrets.token_hex(8)
    headers = ask(gateway, "/plain/", headers={"X-Request-ID": mark}).headers
    for name in ("X-Frame-Options", "Referrer-Policy", "X-Content-Type-Options"):
        assert headers[name] is None
    assert headers["X-Request-ID"] == mark
    assert ask(gateway, "/plain/", headers={"X-Stackctl-Witness": "1"}).headers["X-Stackctl-Served"]


def test_a_limit_without_a_burst_is_taken(gateway: Operator) -> None:
    """Two at once are one too many."""
    with client(gateway) as kept:
        answers = [send(kept, "/single/").status for _ in range(3)]
    assert answers == [200, 429, 429]


def test_the_tag_of_a_compressed_answer_can_be_sent_back(gateway: Operator) -> None:
    """Compressing makes a tag weak, which no If-Match fits: the service gets the one it gave."""
    wish = quote('ETag: "abc"')
    read = ask(gateway, f"/app/?size=9000&head={wish}", headers={"Accept-Encoding": "gzip"})
    assert read.headers["Content-Encoding"] == "gzip"
    tag = str(read.headers["ETag"])
    assert hear(ask(gateway, "/app/", "POST", headers=ECHO | {"If-Match": tag}))["if-match"] == [
        '"abc"'
    ]
    for other in ('"a", "b"', "*", 'W/"a", W/"b"'):
        heard = hear(ask(gateway, "/app/", "POST", headers=ECHO | {"If-Match": other}))
        assert heard["if-match"] == [other]


def test_a_policy_of_the_service_on_frames_is_the_one_that_holds(gateway: Operator) -> None:
    """X-Frame-Options beside frame-ancestors would forbid in old browsers what the service allows."""
    wishes = {
        "frame-ancestors https://a.example": None,
        "default-src 'self'; Frame-Ancestors https://a.example": None,
        "default-src 'self'": "SAMEORIGIN",
        "default-src frame-ancestors.example": "SAMEORIGIN",
    }
    for policy, expected in wishes.items():
        wish = quote(f"Content-Security-Policy: {policy}")
        answer = ask(gateway, f"/app/?head={wish}")
        assert answer.headers["Content-Security-Policy"] == policy
        assert answer.headers["X-Frame-Options"] == expected
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("route", ["/app/", "/unbuffered/", "/cached/"])
@pytest.mark.parametrize("size", [4_000, 12_000, 65_000])
def test_a_long_head_of_an_answer_passes(gateway: Operator, route: str, size: int) -> None:
    """Up to 64 KiB: sessions in cookies and policies are as long as that."""
    answer = ask(gateway, f"{route}?cookie={size}")
    assert answer.status == 200
    assert answer.headers["Set-Cookie"] == "s=" + "a" * size
    assert answer.document["version"]


def test_the_cache_never_answers_with_another_versions_words(gateway: Operator) -> None:
    """Not on kept connections, and not of a color that comes back with another version."""
    path = f"/long/{secrets.token_hex(4)}"
    with ExitStack() as opened:
        kept = [opened.enter_context(client(gateway)) for _ in range(10)]
        for version, command in (
            ("v1", None),
            ("v2", ("deploy", "app", "--version", "v2")),
            ("v3", ("deploy", "app", "--version", "v3")),  # in the color that v1 had
            ("v2", ("rollback", "app")),
            ("v1", ("rollback", "app", "--to", "v1")),
        ):
            if command:
                assert gateway.run(*command).code == 0
            answers = [send(each, path) for each in kept]
            assert {answer.document["version"] for answer in answers} == {version}
            assert ask(gateway, path).headers["X-Cache"] == "HIT"


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
    assert_problem(ask(gateway, "/large/", "POST", LARGE), 502, "Bad Gateway")
    for name in names:
        gateway.engine.start(name)
    wait_until(lambda: ask(gateway, "/app/").status == 200 or None)


def test_replicas_that_are_back_are_asked_at_once(gateway: Operator) -> None:
    """However many requests have failed while nobody listened: the second choice has no memory."""
    names = [name for name in gateway.containers() if "-app-" in name]
    for name in names:
        gateway.engine.kill(name)
    wait_until(lambda: ask(gateway, "/app/").status == 502 or None)
    for _ in range(4):  # NGINX puts both aside for 5 s
        assert ask(gateway, "/app/").status in (502, 504)
    for name in names:
        gateway.engine.start(name)
    wait_until(lambda: all(is_up(gateway, number) for number in (1, 2)) or None)

    assert [ask(gateway, "/app/").status for _ in range(20)] == [200] * 20


def test_a_burst_is_answered_at_once(gateway: Operator) -> None:
    """Beyond the burst it is refused; nobody waits inside NGINX, where no counter would see it."""
    with client(gateway) as kept:  # which gives up after 30 s, and one a minute is due
        answers = [send(kept, "/burst/").status for _ in range(8)]

    assert answers == [200] * 6 + [429] * 2  # the one that is due, and the burst


@pytest.mark.parametrize(
    "wish",
    [
        "cookie=130000",
        f"raw={quote('HTTP/1.1 200 OK{0}no header{0}{0}'.format(chr(13) + chr(10)))}",
        "raw=",
    ],
    ids=["too long", "no HTTP", "hung up"],
)
def test_a_replica_that_was_reached_is_not_called_out_of_reach(
    gateway: Operator, wish: str
) -> None:
    """Its answer could not be used: who reads that it was not reached looks in the wrong place."""
    wait_until(
        lambda: ask(gateway, "/unbuffered/").status == 200 or None
    )  # others have killed them
    answer = ask(gateway, f"/unbuffered/?{wish}")
    assert_problem(answer, 502, "Bad Gateway")
    assert "could be reached" not in answer.document["detail"]
    assert "was reached" in answer.document["detail"]
