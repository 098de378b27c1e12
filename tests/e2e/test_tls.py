"""TLS at the gateway with certificates of one's own, on the real engine."""

from __future__ import annotations

import json
import socket
import ssl
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

from orchestrator.evidence.wire import to_errand
from orchestrator.evidence.witness import STRANGER
from tests.e2e.load import under_load
from tests.e2e.operator import wait_until
from tests.e2e.strict import KEPT, Crowd
from tests.e2e.tls import HOST, Door, ask_plainly, read_files
from tests.fakes.observer import WRITE

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

RIGHTS = "stat -c '%a %u' /etc/stackctl/certs /etc/stackctl/certs/* /etc/stackctl/certs/*/*"


@pytest.fixture
def door(operator: Operator) -> Door:
    """Return a door with TLS, behind which v1 serves."""
    made = Door(operator)
    operator.write_stack(tls=made.keys(hsts={"max_age": "1h"}))
    operator.up()
    return made


def test_a_browser_is_served_with_tls(door: Door) -> None:
    """By a certificate that it can follow, with HSTS, and the app knows how it came."""
    found = door.ask("/headers")
    assert found.status == 200
    assert found.certificate == door.issued.certificate.public_bytes(Encoding.DER)
    assert found.headers["Strict-Transport-Security"] == "max-age=3600"
    with closing(door.connect(door.trust("h2", "http/1.1"))) as opened:
        assert (opened.selected_alpn_protocol(), opened.version()) == ("h2", "TLSv1.3")
    with pytest.raises(ssl.SSLError, match=r"UNRECOGNIZED_NAME|unrecognized name"):
        door.connect(door.trust(), "elsewhere.example")
    nameless = ssl.create_default_context()
    nameless.check_hostname, nameless.verify_mode = False, ssl.CERT_NONE
    with (
        pytest.raises(ssl.SSLError, match=r"UNRECOGNIZED_NAME|unrecognized name"),
        socket.create_connection(("127.0.0.1", door.port), timeout=10) as plain,
    ):
        nameless.wrap_socket(plain)  # whoever only knows the address learns no name


def test_who_comes_without_tls_is_sent_to_it(door: Door) -> None:
    """With the same method and URL; other hosts are served as they were, and told nothing of TLS."""
    sent = ask_plainly(door.operator, "/a%20b/?c=d&e")
    assert sent.status == 308
    assert sent.headers["Location"] == f"https://{HOST}:{door.port}/a%20b/?c=d&e"
    other = ask_plainly(door.operator, host="elsewhere.example")
    assert other.status == 200
    assert "Strict-Transport-Security" not in other.headers


def test_what_stack_yaml_switches_off_is_off(door: Door) -> None:
    """HTTP/2 and the redirect, by one `up`; a plain `hsts` is for a year."""
    door.operator.write_stack(tls=door.keys(http2=False, redirect=False, hsts=True))
    door.operator.up()
    with closing(door.connect(door.trust("h2", "http/1.1"))) as opened:
        assert opened.selected_alpn_protocol() == "http/1.1"
    assert ask_plainly(door.operator).status == 200
    assert door.ask().headers["Strict-Transport-Security"] == "max-age=31536000"


HIDDEN = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


def ask_by_http2(
    door: Door, *fields: tuple[str, str], body: bytes = b"", method: str = "POST", host: str = HOST
) -> tuple[str, dict[str, str]]:
    """Send what no client should; return the status, or `ended`, and the headers that the app got."""
    lines = [(":method", method), (":scheme", "https"), (":authority", host), (":path", "/")]
    lenient = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    state = H2Connection(lenient)
    state.initiate_connection()
    state.send_headers(1, [*lines, ("x-echo", "1"), *fields], end_stream=not body)
    if body:
        state.send_data(1, body, end_stream=True)
    status, told = "ended", b""
    with closing(door.connect(door.trust("h2"))) as wire:
        wire.sendall(state.data_to_send())
        while piece := wire.recv(65536):
            for event in state.receive_data(piece):
                if isinstance(event, ResponseReceived):
                    status = dict(event.headers)[b":status"].decode()
                elif isinstance(event, DataReceived):
                    told += event.data
                elif isinstance(event, StreamEnded | StreamReset | ConnectionTerminated):
                    headers = json.loads(told).get("headers", ()) if status == "200" else ()
                    return status, {name.lower(): value for name, value in headers}
    return status, {}


def test_no_request_by_http2_hides_another_one(operator: Operator) -> None:
    """What says two things of its end or its host is refused; what HTTP/1.1 would read otherwise is not passed on."""
    door = Door(operator)
    operator.write_stack({"replicas": 1}, tls=door.keys())
    operator.up()
    before = json.loads(door.ask().body)["number"]
    refused = [
        ask_by_http2(door, ("content-length", "5"), body=HIDDEN),
        ask_by_http2(door, ("content-length", "99"), body=HIDDEN),
        ask_by_http2(door, ("content-length", "5"), ("content-length", "6"), body=HIDDEN),
        ask_by_http2(door, ("content-length", "+5"), body=HIDDEN),
        ask_by_http2(door, ("host", "elsewhere.example")),
        ask_by_http2(door, ("x-a", "b\r\nX-Forwarded-For: 203.0.113.9")),
        ask_by_http2(door, ("x-a\r\nx-b", "c")),
        ask_by_http2(door, ("x-a: b", "c")),
        ask_by_http2(door, method="GET /hidden HTTP/1.1\r\nx:"),
    ]
    assert {status for status, _ in refused} == {"400"}, refused
    odd = {"te": "chunked", "connection": "x-forwarded-for", "upgrade": "h2c", "keep-alive": "1"}
    passed = [
        ask_by_http2(door, ("transfer-encoding", "chunked"), body=HIDDEN),
        ask_by_http2(door, *odd.items(), ("x_forwarded_for", "203.0.113.9"), body=HIDDEN),
        ask_by_http2(door, ("x.forwarded.for", "203.0.113.9"), body=HIDDEN),
    ]
    for status, headers in passed:
        assert status == "200"
        assert headers["content-length"] == str(len(HIDDEN))
        known = {"transfer-encoding", "upgrade", "x_forwarded_for", "x.forwarded.for", "keep-alive"}
        assert headers.keys().isdisjoint(known), headers
        assert headers.get("connection", "close") == "close"
    assert json.loads(door.ask().body)["number"] == before + 1
    assert ask_by_http2(door, method="GET", host="elsewhere.example")[0] == "421"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_survives_a_reload(door: Door, version: ssl.TLSVersion) -> None:
    """A client comes back in one round trip, whichever worker it meets."""
    context = door.trust("http/1.1")
    context.maximum_version = version
    with closing(door.connect(context)) as opened:
        opened.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        while opened.recv(65536):
            pass  # TLS 1.3 tells of a session after the handshake
        session = opened.session
    door.operator.write_stack(tls=door.keys(), gzip=False)
    door.operator.up()
    with closing(door.connect(context, session=session)) as opened:
        assert opened.session_reused


def test_releases_and_a_renewal_under_http2_lose_nothing(door: Door) -> None:
    """Two releases, another certificate and a release more, at 300 requests a second by HTTP/2."""
    operator = door.operator
    with under_load(f"https://{HOST}:{door.port}/", operator.folder, proto="HTTP/2.0") as load:
        done = [operator.deploy("v2"), operator.deploy("v3")]
        before, renewed = door.ask().certificate, door.renew()
        told = operator.run("certs", "renew", "--output", "json")
        done.append(operator.deploy("v4"))
        after = door.ask()
    assert [each.code for each in done] == [0, 0, 0], done[-1].stderr
    assert told.document["outcome"] == "renewed", told.stderr
    listed = operator.run("certs", "show", HOST, "--output", "json").document["certificates"]
    assert listed == told.document["certificates"]
    assert after.certificate == renewed.certificate.public_bytes(Encoding.DER) != before
    assert json.loads(after.body)["version"] == "v4"
    assert load.sent > 1000
    assert load.failed == 0


def release_and_go_back(operator: Operator, releases: int, rollbacks: int) -> list[dict[str, Any]]:
    """Release as often, and go back evenly in between; return what the evidence of each says."""
    done = []
    for number in range(2, releases + 2):
        done.append(operator.deploy(f"v{number}"))
        if (number - 1) * rollbacks // releases > (number - 2) * rollbacks // releases:
            done.append(operator.run("rollback", "app", "--output", "json"))
    assert [each.code for each in done] == [0] * (releases + rollbacks), done[-1].stderr
    return [operator.evidence(each) for each in done]


@pytest.mark.parametrize(
    ("releases", "rollbacks"), [(2, 1), pytest.param(20, 5, marks=pytest.mark.thorough)]
)
def test_releases_end_no_connection_and_refuse_nothing(
    door: Door, releases: int, rollbacks: int
) -> None:
    """Of clients that repeat nothing: of HTTP/2 over one connection, of HTTP/1.1, and of the witness."""
    operator = door.operator
    errand = to_errand(WRITE, f"{HOST}:{door.port}", STRANGER)
    url = f"https://{HOST}:{door.port}/"
    with (
        under_load(url, operator.folder, rate=100, proto="HTTP/2.0") as load,
        Crowd(door.secure(), errand) as crowd,
    ):
        evidence = release_and_go_back(operator, releases, rollbacks)
    witnesses = [each["witness"] for each in evidence]
    told = Counter(
        {key: sum(one[key] for one in witnesses) for key in ("sent", "lost", "refused", "http2")}
    )
    told["closed"] = sum(one["closes"]["kept"] for one in witnesses)
    print(f"witness {dict(told)}, strict {dict(crowd.sent)}, k6 {load.sent}")
    assert (crowd.failed, crowd.connections) == ([], {"h2": 1, "http/1.1": KEPT})
    assert (load.failed, told["lost"], told["refused"], told["closed"]) == (0, 0, 0, 0)
    assert all(one["http2"] for one in witnesses)
    assert {each["verdict"]["lossless"] for each in evidence} == {True}
    assert [each["configs"] for each in evidence] == [[]] * len(evidence)


def test_the_witness_comes_by_tls(door: Door) -> None:
    """With its WebSocket, and loses nothing; an answer by another certificate is none."""
    operator = door.operator
    route = {"path": "/", "websocket": "/socket"}
    operator.write_stack({"routes": [route]}, tls=door.keys())
    operator.up()
    done = operator.deploy("v2")
    assert done.code == 0, done.stderr
    assert done.document["witness"]["lost"] == 0
    assert done.document["witness"]["http2"] > 0

    def read_asked() -> list[dict[str, str]] | None:
        lines = operator.gateway_log().splitlines()
        log = [json.loads(line) for line in lines if line.startswith("{")]
        asked = [one for one in log if one["witness"] == "1" and one["method"] in ("GET", "POST")]
        return asked if len(asked) > 20 else None

    assert {line["tls"] for line in wait_until(read_asked)} == {"TLSv1.3"}


def test_a_key_is_nowhere_but_in_the_volume(door: Door) -> None:
    """Only NGINX's user may read it there, and only while it serves; no evidence, log or label has it."""
    operator = door.operator
    door.renew()
    operator.up()
    assert operator.deploy("v2").code == 0
    secret = door.issued.key_pem.splitlines()[1]
    files = read_files(operator.folder / "reports")
    assert files
    assert not any(secret in each or b"PRIVATE KEY" in each for each in files)
    assert secret.decode() not in operator.gateway_log()
    gateway = f"{operator.name}-gateway"
    assert secret.decode() not in json.dumps(operator.engine.inspect_container(gateway))
    asked = operator.engine.exec_create(gateway, ["sh", "-c", RIGHTS])
    told = operator.engine.exec_start(asked["Id"])
    assert sorted(told.decode().splitlines()) == ["600 101", "600 101", "700 101", "700 101"]
