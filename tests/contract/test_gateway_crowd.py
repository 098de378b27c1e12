"""What one client can take up at the real NGINX, and what the gateway passes on of what it claims."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.gateway.addresses import AddressTable, fit_table
from orchestrator.gateway.admin import PUBLIC_PORT, Admin
from orchestrator.gateway.apply import Gateway
from orchestrator.gateway.capacity import find_capacity
from orchestrator.gateway.container import gateway_spec
from orchestrator.gateway.files import FOLDER, pack_config, pack_current
from orchestrator.gateway.lane import Lane, Target
from orchestrator.gateway.render import render
from orchestrator.stack import naming
from orchestrator.stack.model import Stack
from tests.contract.bench import NGINX, Bench
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.gateway.config import Config

pytestmark = pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])

MIB = 1024**2
# Answers at once with what it was asked. Below /app/held/ it sends a head, and the rest once it was
# asked for /app/free. Where a path has `large` it sends 64 MiB.
APP = (
    "python",
    "-c",
    """
import json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

free = threading.Event()

class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self):
        Echo.asked += 1
        said = json.dumps({"headers": self.headers.items(), "path": self.path, "asked": Echo.asked})
        size = 64 * 1024**2 if "/large/" in self.path else len(said)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.path == "/app/free":
            free.set()
        if "/held/" in self.path:
            free.wait()
        if "/large/" in self.path:
            for _ in range(64):
                self.wfile.write(bytes(1024**2))
        else:
            self.wfile.write(said.encode())

    do_HEAD = do_POST = do_GET

    def log_message(self, *_):
        pass

ThreadingHTTPServer.request_queue_size = 500
ThreadingHTTPServer(("", 8000), Echo).serve_forever()
""",
)
ROUTES = [
    {"path": "/app/"},
    {"path": "/app/held/", "connections": 3, "buffering": False, "timeouts": {"read": "1h"}},
    {"path": "/app/large/", "buffering": {"disk": "1m"}},
    {"path": "/app/cached/", "cache": {"ttl": 3600}},
]
BLUE = Target("blue", "v1", 1, "first")


@dataclass
class Door:
    """A small gateway that runs, with an app behind it, and where it is reached."""

    bench: Bench
    stack: Stack
    table: AddressTable
    gateway: Gateway
    admin: Admin
    config: Config
    container: str

    @property
    def address(self) -> str:
        """Return the gateway's own address, past the engine's proxy for published ports."""
        return self.bench.look(self.container).address

    def connect(self) -> socket.socket:
        """Open a connection that reads as little as it can."""
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.settimeout(20)
        opened.connect((self.address, PUBLIC_PORT))
        return opened

    def hold(self, path: str, held: ExitStack) -> socket.socket:
        """Send a GET and leave it."""
        opened = held.enter_context(self.connect())
        opened.sendall(f"GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
        return opened

    def ask(self, path: str, headers: Mapping[str, str] = {}) -> tuple[int, Any, str]:
        """Ask at the public port; return status, headers and body."""
        connection = HTTPConnection(self.address, PUBLIC_PORT, timeout=20)
        try:
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def ask_admin(self, path: str, headers: Mapping[str, str] = {}, method: str = "GET") -> int:
        """Ask at the admin port; return the status."""
        connection = HTTPConnection(*self.stack.gateway.admin, timeout=20)
        try:
            connection.request(method, path, headers=dict(headers))
            return connection.getresponse().status
        finally:
            connection.close()

    def reload(self, **gateway: Any) -> None:
        """Have NGINX serve another config."""
        wanted = self.stack.gateway.model_copy(update=gateway)
        config = render(self.stack.model_copy(update={"gateway": wanted}), self.table)
        self.gateway.change_config(config, self.config, 2, {"app"})
        self.config = config

    def inside(self, script: str) -> str:
        """Return what a script prints that runs in the gateway's container."""
        return self.bench.engine.execute(self.container, ("sh", "-c", script), user="101").text


@pytest.fixture
def door(bench: Bench) -> Iterator[Door]:
    """Return a gateway with little memory, before the whole of an app."""
    raw = {
        "version": 1,
        "name": bench.stack,
        "gateway": {
            "image": NGINX,
            "listen": f"127.0.0.1:{free_port()}",
            "admin": f"127.0.0.1:{free_port()}",
            "keepalive": "1s",
            "drain_timeout": "2s",
            "resources": {"memory": "64m", "cpus": 64, "pids": 64},
            "connections": 20,
        },
        "services": {
            "app": {
                "image": "none:{version}",
                "port": 8000,
                "routes": ROUTES,
                "health": {"host": "shop.example"},
            }
        },
    }
    stack, engine = Stack.model_validate(raw), bench.engine
    network = engine.network(naming.network_name(bench.stack))
    assert network is not None
    table = fit_table(AddressTable(), stack, network.addresses, ())
    config = render(stack, table)
    admin = Admin(stack.gateway.admin, stack.gateway.listen)
    spec = gateway_spec(stack.model_copy(update={"gateway": small_enough(stack)}))
    for volume in spec.volumes:
        engine.ensure_volume(volume.name, spec.labels)
    container = engine.create(spec)
    engine.write(container, FOLDER, pack_config(config))
    engine.write(container, FOLDER, pack_current(config.id))
    engine.start(container)
    (address,) = table.require("app", "blue").addresses
    bench.run("app-blue-1", APP, address=address, memory=256 * MIB, pids=600, cpus=1.0)
    bench.until(admin.serving)
    bench.until(lambda: admin.probe("app-blue-1", "/health", 2).good or None)
    gateway = Gateway(engine, bench.look(container), admin, bench.clock)
    gateway.move("app", "r.1", Lane(BLUE))
    yield Door(bench, stack, table, gateway, admin, config, container)
    gateway.close()


def small_enough(stack: Stack) -> Any:
    """Return the gateway as an engine can run it: none gives more CPUs than its machine has."""
    resources = stack.gateway.resources.model_copy(update={"cpus": 1.0})
    return stack.gateway.model_copy(update={"resources": resources})


def test_a_small_gateway_with_many_cpus_survives_reloads(door: Door) -> None:
    """It has as many workers as its memory has room for, and the ones that leave fit in beside them."""
    started = door.gateway.workers().accepting
    assert len(started) == find_capacity(door.stack.gateway).workers == 4
    for keepalive in (2, 3, 4):
        door.reload(keepalive=float(keepalive))

    assert door.admin.serving() == door.config.id
    assert not door.gateway.workers().accepting & started
    assert door.bench.engine.ending(door.container).out_of_memory is False


def test_heads_that_never_end_cost_nobody_an_answer(door: Door) -> None:
    """Far more than there is room for, each as dear as it can be: whoever is in flight is answered."""
    fields = "".join(f"X-{n:04}{'a' * 320}: \r\n" for n in range(90))
    with ExitStack() as kept:
        waiting = door.hold("/app/held/1", kept)
        assert waiting.recv(15, socket.MSG_PEEK) == b"HTTP/1.1 200 OK"
        with ExitStack() as held:
            for _ in range(1500):
                opened = held.enter_context(door.connect())
                with suppress(OSError):  # where NGINX has no room for it
                    opened.sendall(f"GET /app/ HTTP/1.1\r\nHost: shop\r\n{fields}X-L: ".encode())
            door.reload(keepalive=2.0, drain_timeout=60.0)  # workers leave, and hold them still
        assert door.ask("/app/free")[0] == 200
        answer = HTTPResponse(waiting)
        answer.begin()
        assert json.loads(answer.read())["path"] == "/app/held/1"
    assert door.bench.engine.ending(door.container).out_of_memory is False
    assert "signal 9" not in door.bench.engine.logs(door.container, tail=500)


def test_a_head_with_too_many_fields_is_refused(door: Door) -> None:
    """NGINX takes more memory for a field than its name has letters."""
    status, _, body = door.ask("/app/", {f"x{n}": "" for n in range(120)})
    assert (status, json.loads(body)["detail"]) == (431, "the headers are too large")
    assert door.ask("/app/", {f"x{n}": "" for n in range(90)})[0] == 200


def test_slow_readers_fill_no_disk(door: Door) -> None:
    """What they do not read waits at the service."""
    script = """for file in /proc/[0-9]*/fd/*; do
        case "$(readlink "$file")" in /tmp/proxy* | /tmp/cache*) stat -L -c %s "$file" ;; esac
    done 2>/dev/null"""
    with ExitStack() as held:
        for number in range(8):
            door.hold(f"/app/large/{number}", held)
            door.hold(f"/app/cached/large/{number}", held)

        looks: list[list[int]] = [[]]

        def spooled() -> list[int] | None:
            looks.append(sorted(int(size) for size in door.inside(script).split()))
            full = len(looks[-1]) >= 16 and looks[-1][0] > 0 and looks[-1] == looks[-2]
            return looks[-1] if full else None

        sizes = door.bench.until(spooled)
    assert sizes[7] <= 2 * MIB
    assert sizes[-1] <= 5 * MIB


def test_one_address_has_so_many_requests_in_flight(door: Door) -> None:
    """On a route that says so, and at all; whoever holds too many is told so, and can go on."""
    with ExitStack() as held:
        waiting = [door.hold(f"/app/held/{number}", held) for number in range(3)]
        assert {one.recv(15) for one in waiting} == {b"HTTP/1.1 200 OK"}
        status, headers, body = door.ask("/app/held/4")
        assert (status, headers["Retry-After"]) == (429, "5")
        assert json.loads(body)["detail"] == "too many requests from this address at once"
        assert door.ask("/app/")[0] == 200
        token = door.gateway.admit_witness()
        refused = door.hold("/app/held/5", held)
        assert refused.recv(12) == b"HTTP/1.1 429"
        witness = held.enter_context(door.connect())
        witness.sendall(
            f"GET /app/held/6 HTTP/1.1\r\nHost: shop\r\nX-Stackctl-Witness: {token}\r\n\r\n".encode()
        )
        assert witness.recv(15) == b"HTTP/1.1 200 OK"
        assert door.admin.busy("app_blue")  # the drain counts them all the same
        for _ in range(17):
            one = door.hold("/app/large/1", held)
            assert one.recv(15) == b"HTTP/1.1 200 OK"
        assert door.ask("/app/")[0] == 429
    door.bench.until(lambda: door.ask("/app/")[0] == 200 or None)
    with ExitStack() as held:

        def let_in() -> bool | None:
            return door.hold("/app/held/7", held).recv(12) == b"HTTP/1.1 200" or None

        assert door.bench.until(let_in)


CALLS: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"Host": "127.0.0.1:8081"}, 200),
    ({"Host": "127.9.9.9"}, 200),
    ({"Host": "LOCALHOST:1"}, 200),
    ({"Host": "[::1]:8081"}, 200),
    ({"Host": "shop.example"}, 200),  # what the app wants to be called by
    ({"Sec-Fetch-Site": "none"}, 200),  # typed into a browser
    ({"Host": "evil.example:8081"}, 403),
    ({"Host": "127.evil.example"}, 403),
    ({"Host": "localhost.evil.example"}, 403),
    ({"Host": "10.0.0.1"}, 403),
    ({"Host": "0.0.0.0"}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "0"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 403),
    ({"Sec-Fetch-Site": "none", "Origin": "http://127.0.0.1:8081"}, 403),
]


def test_no_page_in_a_browser_reads_the_admin_listener(door: Door) -> None:
    """Neither one whose own name leads to the loopback, nor one that asks across origins."""
    for path in ("/serving", "/config", "/lanes", "/probe/app-blue-1/health"):
        assert [(told, door.ask_admin(path, told)) for told, _ in CALLS] == CALLS


def test_the_admin_listener_only_tells(door: Door) -> None:
    """No request through it changes anything, at a service neither."""
    for path in ("/serving", "/probe/app-blue-1/health", "/preview/app/blue/health"):
        assert door.ask_admin(path, method="HEAD") == 200
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"):
            assert door.ask_admin(path, method=method) == 405, (method, path)


def test_the_admin_listener_asks_for_health_only(door: Door) -> None:
    """As the gate does; no other path of a service is behind it, and nothing is added to that one."""
    admin = door.admin
    assert admin.probe("app-blue-1", "/health", 5).status == 200
    assert admin.probe("app-blue-1", "/health?all=1", 5).json()["path"] == "/health"
    assert admin.preview("app", "blue", "/health?all=1", 5).json()["path"] == "/health"
    for path in (
        "/",
        "/openapi.json",
        "/health/",
        "/health/../app/",
        "/healthz",
        "/app/",
        "//health",
    ):
        wanted = 200 if path == "//health" else 404  # slashes are one to NGINX
        assert admin.probe("app-blue-1", path, 5).status == wanted, path
        assert admin.preview("app", "blue", path, 5).status == wanted, path


CACHE_CONTROL = [
    ("", "HIT"),
    ("max-age=31", "HIT"),
    ("max-age=09", "HIT"),
    ("max-stale=11", "HIT"),
    ("no-cachet, x-no-store", "HIT"),
    ('private="a, no-cache, b"', "HIT"),
    (" , " * 2000, "HIT"),
    ("no-cache", "BYPASS"),
    ("max-age=600 , No-Store", "BYPASS"),
    ("max-age=0", "BYPASS"),
]


def test_a_fresh_answer_is_for_who_asks_for_one(door: Door) -> None:
    """By a whole word of the header."""
    path = "/app/cached/1"
    assert door.ask(path)[1]["X-Cache"] == "MISS"
    assert [
        (said, door.ask(path, {"Cache-Control": said})[1]["X-Cache"]) for said, _ in CACHE_CONTROL
    ] == CACHE_CONTROL


def test_who_says_who_they_are_gets_no_others_answer(door: Door) -> None:
    """By whatever word, a nought among them; who sends nothing has said nothing."""
    assert door.ask("/app/cached/1")[1]["X-Cache"] == "MISS"
    for name in ("Authorization", "Cookie", "X-Api-Key"):
        for value in ("0", "00", "", "Bearer x"):
            wanted = "BYPASS" if value else "HIT"
            assert door.ask("/app/cached/1", {name: value})[1]["X-Cache"] == wanted, (name, value)


def test_what_a_client_claims_reaches_no_service(door: Door) -> None:
    """So that no cached answer was made for another host, path or method than its key names."""
    claims = [
        *("X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Original-Host", "X-Host"),
        *("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method"),
        *("X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Server"),
        *("X-Script-Name", "Script-Name", "SCRIPT_NAME", "PATH_INFO", "X_Original_URL"),
        *("Proxy", "Forwarded"),
    ]
    fields = "".join(f"{name}: evil\r\n" for name in [*claims, "X-Forwarded-Host", "X-Plain"])
    with ExitStack() as held:
        opened = held.enter_context(door.connect())
        opened.sendall(f"GET /app/cached/1 HTTP/1.0\r\nHost: shop\r\n{fields}\r\n".encode())
        answer = opened.makefile("rb").read().decode()
    got = json.loads(answer.partition("\r\n\r\n")[2])["headers"]
    assert [name for name, value in got if value == "evil"] == ["X-Plain"]
    assert ["X-Forwarded-Host", "shop"] in got
