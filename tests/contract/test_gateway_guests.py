"""Who comes in at the real NGINX with a password, and which page is shown to whom in its place."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.gateway.addresses import AddressTable, fit_table
from orchestrator.gateway.admin import INNER_PORT, PUBLIC_PORT, Admin
from orchestrator.gateway.apply import Gateway
from orchestrator.gateway.container import gateway_spec
from orchestrator.gateway.files import (
    FOLDER,
    USERS,
    pack_config,
    pack_current,
    page_file,
    users_file,
)
from orchestrator.gateway.lane import Lane, Target
from orchestrator.gateway.passwords import write_users
from orchestrator.gateway.render import render
from orchestrator.gateway.store import Store
from orchestrator.gateway.supplies import (
    Supplies,
    identify,
    name_page,
    name_users,
)
from orchestrator.stack import naming
from orchestrator.stack.guests import find_basic_auth
from orchestrator.stack.model import Stack
from tests.contract.bench import NGINX, Bench
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message

    from orchestrator.gateway.config import Config
    from orchestrator.stack.access import BasicAuth

pytestmark = pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])

PASSWORD = "pässword: with a colon"  # noqa: S105  of this test
PAGES = {name: f"<h1>{name}</h1>".encode() for name in ("missing", "sorry", "app")}
HTML = {"Accept": "text/html,*/*;q=0.8"}
# Answers with the headers that it got, and below /gone with a 404 of its own; takes each WebSocket.
APP = (
    "python",
    "-c",
    """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        said = json.dumps(dict(self.headers)).encode()
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.close_connection = True
            return
        self.send_response(404 if self.path.endswith("/gone") else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_HEAD = do_OPTIONS = do_GET

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("", 8000), Echo).serve_forever()
""",
)
GUARDED = {"realm": "Staff only", "users": {"ann": "A", "b.o-b@shop+1": "B"}}
ROUTES = [
    {"path": "/in/", "basic_auth": GUARDED},
    {"path": "/open/", "methods": ["GET", "HEAD", "POST"]},
    {"path": "/both/", "basic_auth": GUARDED, "allow": ["203.0.113.7"]},
    {"path": "/any/", "basic_auth": {**GUARDED, "satisfy": "any"}, "allow": ["203.0.113.7"]},
    {"path": "/lost/", "basic_auth": {"users": {"ann": "NOT_TAKEN_IN"}}},
]


class Said:
    """An answer."""

    def __init__(self, status: int, headers: Message, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def document(self) -> Any:
        """Return what it says as JSON."""
        return json.loads(self.body)


def log_in(password: str = PASSWORD, user: str = "ann") -> dict[str, str]:
    """Return the header of somebody with a password."""
    said = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {said}"}


@dataclass
class Door:
    """A gateway that asks for passwords, with an app behind it."""

    bench: Bench
    stack: Stack
    gateway: Gateway
    container: str
    config: Config

    def let_in(self, **passwords: str) -> None:
        """Have NGINX serve a config with another list of users, the only one that is kept."""
        users = write_users(passwords)
        Store(self.bench.engine, self.container).add({users_file(identify(users)): users})
        ids = {**self.config.supplies.ids, name_users(find_list(self.stack)): identify(users)}
        config = render(self.stack, self.config.table, supplies=Supplies(ids))
        self.gateway.change_config(config, self.config, 5, {"app"})
        self.gateway.sweep({config.id})
        self.config = config

    def lists(self) -> list[str]:
        """Return the lists of users in the volume."""
        return self.bench.engine.execute(self.container, ("ls", USERS)).text.split()

    def ask(
        self,
        path: str,
        headers: Mapping[str, str] = {},
        method: str = "GET",
        port: int = PUBLIC_PORT,
    ) -> Said:
        """Ask at a port of the gateway's own address."""
        address = self.bench.look(self.container).address
        connection = HTTPConnection(address, port, timeout=20)
        try:
            connection.request(method, path, headers=dict(headers))
            answer = connection.getresponse()
            return Said(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


def find_list(stack: Stack) -> BasicAuth:
    """Return who comes in at the first route."""
    found = find_basic_auth(stack.services["app"], stack.services["app"].routes[0])
    assert found is not None
    return found


@pytest.fixture
def door(bench: Bench) -> Iterator[Door]:
    """Return a gateway with users and pages in its volume."""
    raw = {
        "version": 1,
        "name": bench.stack,
        "gateway": {
            "image": NGINX,
            "listen": f"127.0.0.1:{free_port()}",
            "admin": f"127.0.0.1:{free_port()}",
            "trusted_proxies": ["0.0.0.0/1", "128.0.0.0/1"],
            "error_pages": {404: "missing", "4xx": "sorry"},
        },
        "services": {
            "app": {
                "image": "none:{version}",
                "port": 8000,
                "routes": ROUTES,
                "error_pages": {"50x": "app"},
                "assets": [{"path": f"/{at}/static/", "from": "/srv"} for at in ("in", "both")],
            },
            "other": {"image": "none:{version}", "port": 8000, "routes": [{"path": "/other/"}]},
        },
    }
    stack, engine = Stack.model_validate(raw), bench.engine
    network = engine.network(naming.network_name(bench.stack))
    assert network is not None
    table = fit_table(AddressTable(), stack, network.addresses, ())
    users = write_users({"ann": PASSWORD, "b.o-b@shop+1": "x" * 300})
    ids = {name_page(name): identify(page) for name, page in PAGES.items()}
    ids[name_users(find_list(stack))] = identify(users)
    config = render(stack, table, supplies=Supplies(ids))
    files = {page_file(identify(page)): page for page in PAGES.values()}
    files[users_file(identify(users))] = users
    admin = Admin(stack.gateway.admin, stack.gateway.listen)
    spec = gateway_spec(stack)
    for volume in spec.volumes:
        engine.ensure_volume(volume.name, spec.labels)
    container = engine.create(spec)
    Store(engine, container).add(files)
    engine.write(container, FOLDER, pack_config(config))
    engine.write(container, FOLDER, pack_current(config.id))
    engine.start(container)
    (address,) = table.require("app", "blue").addresses
    bench.run("app-blue-1", APP, address=address)
    bench.until(admin.serving)
    bench.until(lambda: admin.probe("app-blue-1", "/health", 2).good or None)
    gateway = Gateway(engine, bench.look(container), admin, bench.clock)
    gateway.move("app", "r.1", Lane(Target("blue", "v1", 1, "first")))
    yield Door(bench, stack, gateway, container, config)
    gateway.close()


def test_a_password_lets_in(door: Door) -> None:
    """With any letters in it; the service never gets it. A wrong one does not, nor none at all."""
    answer = door.ask("/in/", log_in())
    assert answer.status == 200
    assert "Authorization" not in answer.document
    assert door.ask("/in/", log_in("x" * 300, "b.o-b@shop+1")).status == 200
    for wrong in (
        {},
        log_in("another"),
        log_in(""),
        log_in(user="nobody"),
        log_in(PASSWORD + "\n"),
        {"Authorization": "Bearer abc"},
    ):
        refused = door.ask("/in/", wrong)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (
            401,
            'Basic realm="Staff only"',
        )
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.document["detail"] == "who comes here needs a name and a password"
        assert refused.document["status"] == 401


def test_what_asks_nobody_has_its_header_as_it_came(door: Door) -> None:
    """An app's own `Authorization` is its own. Who calls a service by its name is not asked."""
    own = {"Authorization": "Bearer abc"}
    assert door.ask("/open/", own).document["Authorization"] == "Bearer abc"
    inner = door.ask("/in/", {**own, "Host": "app"}, port=INNER_PORT)
    assert (inner.status, inner.document["Authorization"]) == (200, "Bearer abc")


def test_addresses_and_passwords_go_together(door: Door) -> None:
    """Both are needed, unless one is enough."""
    inside, outside = ({"X-Forwarded-For": one} for one in ("203.0.113.7", "198.51.100.7"))
    wanted = {
        ("/both/", "inside", "known"): 200,
        ("/both/", "inside", "unknown"): 401,
        ("/both/", "outside", "known"): 403,
        ("/any/", "inside", "unknown"): 200,
        ("/any/", "outside", "known"): 200,
        ("/any/", "outside", "unknown"): 401,
    }
    words = {"inside": inside, "outside": outside, "known": log_in(), "unknown": {}}
    seen = {one: door.ask(one[0], {**words[one[1]], **words[one[2]]}).status for one in wanted}
    assert seen == wanted
    assert "Authorization" not in door.ask("/any/", {**inside, **log_in()}).document


# A file of another version, at the places of all routes that have some.
KEEP = """
set -e
mkdir -p /etc/stackctl/assets/app/editions/r && cd /etc/stackctl/assets/app
for at in in both; do mkdir -p "editions/r/blue/$at/static" && echo old >"editions/r/blue/$at/static/old.js"; done
ln -s editions/r now
"""


def test_files_of_other_versions_are_for_the_same_clients(door: Door) -> None:
    """The gateway serves them itself, and asks no less."""
    kept = door.bench.engine.execute(door.container, ("sh", "-c", KEEP), user="0")
    assert kept.exit_code == 0, kept.text
    inside, outside = ({"X-Forwarded-For": one} for one in ("203.0.113.7", "198.51.100.7"))
    served = [
        door.ask("/in/static/old.js", log_in()),
        door.ask("/both/static/old.js", {**inside, **log_in()}),
    ]
    assert [(one.status, one.body) for one in served] == [(200, b"old\n")] * 2
    asked = door.ask("/in/static/old.js")
    assert (asked.status, asked.headers["WWW-Authenticate"]) == (401, 'Basic realm="Staff only"')
    assert door.ask("/in/static/old.js", log_in("another")).status == 401
    assert door.ask("/both/static/old.js", inside).status == 401
    assert door.ask("/both/static/old.js", {**outside, **log_in()}).status == 403


def test_a_witness_is_let_in_by_its_token(door: Door) -> None:
    """And by nothing that others could say; whoever asks who serves is told it with the 401."""
    token = door.gateway.admit_witness()
    assert door.ask("/in/", {"X-Stackctl-Witness": token}).status == 200
    guessed = door.ask("/in/", {"X-Stackctl-Witness": "0" * 32})
    assert (guessed.status, guessed.headers["X-Stackctl-Served"]) == (401, "app_blue")


def test_a_preflight_is_asked_too_and_a_websocket_opens(door: Door) -> None:
    """The one has no password to say; the other has a header as every request has."""
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert door.ask("/in/", preflight, method="OPTIONS").status == 401
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert door.ask("/in/", upgrade).status == 401
    assert door.ask("/in/", {**upgrade, **log_in()}).status == 101


def test_without_its_list_a_route_is_shut(door: Door) -> None:
    """Nobody comes in by a password that the gateway has not got."""
    assert door.ask("/lost/", log_in()).status == 403


def test_pages_are_for_browsers(door: Door) -> None:
    """The most exact one; other clients have a document, and an app's own answers stay."""
    shown = {
        ("/in/", "GET"): (401, "sorry"),
        ("/nothing", "GET"): (404, "missing"),
        ("/open/", "DELETE"): (405, "sorry"),
        ("/other/", "GET"): (503, None),  # nothing is released, and only `app` has a page for it
    }
    for (path, method), (status, page) in shown.items():
        answer = door.ask(path, HTML, method=method)
        assert answer.status == status
        if page:
            assert answer.body == PAGES[page]
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            assert answer.headers["Cache-Control"] == "no-store"
        else:
            assert answer.document["status"] == status
    assert door.ask("/in/", HTML).headers["WWW-Authenticate"] == 'Basic realm="Staff only"'
    assert door.ask("/open/", HTML, method="DELETE").headers["Allow"] == "GET, HEAD, POST"
    own = door.ask("/open/gone", HTML)
    assert (own.status, own.document["Accept"]) == (404, HTML["Accept"])
    door.bench.engine.stop(door.bench.name("app-blue-1"), 0)
    gone = door.ask("/open/", HTML)
    assert (gone.status, gone.body) == (502, PAGES["app"])
    assert door.ask("/open/").document["status"] == 502
    lost = page_file(identify(PAGES["missing"]))
    door.bench.engine.execute(door.container, ("rm", lost))
    assert door.ask("/nothing", HTML).document["status"] == 404
    head = door.ask("/open/", HTML, method="HEAD")
    assert (head.status, head.body) == (502, b"")


def test_the_list_is_for_nginx_only(door: Door) -> None:
    """As keys are; what no config names goes with the next sweep."""
    engine = door.bench.engine
    store = Store(engine, door.container)
    left = f"{USERS}/{'0' * 32}"
    store.add({left: b"eve:{SSHA}AAAA"})
    seen = engine.execute(door.container, ("stat", "-c", "%a %u", USERS, left))
    assert seen.text.split() == ["700", "101", "600", "101"]
    assert engine.execute(door.container, ("cat", left), user="65534").exit_code != 0
    store.sweep()
    assert len(door.lists()) == 1
    assert door.ask("/in/", log_in()).status == 200
    assert door.ask("/nothing", HTML).body == PAGES["missing"]


def test_a_list_stays_while_a_worker_may_read_it(door: Door) -> None:
    """A connection that was kept is answered once more by the config before; then the list goes."""
    store = Store(door.bench.engine, door.container)
    address = door.bench.look(door.container).address
    with closing(HTTPConnection(address, PUBLIC_PORT, timeout=20)) as kept:

        def ask_again() -> tuple[int, str | None]:
            kept.request("GET", "/in/", headers=log_in())
            answer = kept.getresponse()
            answer.read()
            return answer.status, answer.headers["Connection"]

        assert ask_again() == (200, "keep-alive")
        (before,) = door.lists()
        door.let_in(ann="another")
        store.sweep()
        assert door.ask("/in/", log_in("another")).status == 200
        assert door.ask("/in/", log_in()).status == 401
        assert ask_again() == (200, "close")
    assert door.gateway.await_departures(5)
    store.sweep()
    assert len(door.lists()) == 1
    assert before not in door.lists()
