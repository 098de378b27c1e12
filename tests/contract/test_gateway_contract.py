"""What stackctl relies on in NGINX: the simulation and the real one behave alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import EngineError, GatewayError
from orchestrator.gateway.admin import UPSTREAM, Admin
from orchestrator.gateway.apply import Config, Gateway, pack, pack_link
from orchestrator.gateway.render import FOLDER, render
from orchestrator.gateway.routing import Lane, Routing, Target, parse_config
from orchestrator.release.specs import gateway_spec
from orchestrator.stack.model import Stack
from tests.contract.bench import NGINX, Bench
from tests.fakes.engine import FakeEngine
from tests.fakes.wire import ask_by
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = (
    "python",
    "-c",
    """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "v1"}')

HTTPServer(("", 8000), Health).serve_forever()
""",
)
V1 = Target("blue", "v1", 2, "first")


@dataclass
class Door:
    """A gateway that runs, and what it was made from."""

    bench: Bench
    stack: Stack
    admin: Admin
    gateway: Gateway
    container: str
    config: Config

    def make(self, name: str, lane: Lane) -> Config:
        """Return a config."""
        routing = Routing(f"{name}.stage", {"app": lane})
        return Config(routing, render(self.stack, routing))

    def switch(self, config: Config) -> None:
        """Make a config serve."""
        self.gateway.stage(config)
        outdated = self.gateway.workers().accepting
        self.gateway.reload(config.routing.id)
        self.gateway.confirm(config.routing.id, outdated)


@pytest.fixture
def door(bench: Bench) -> Iterator[Door]:
    """Return a gateway whose config knows no version yet."""
    stack = Stack.model_validate(
        {
            "version": 1,
            "name": bench.stack,
            "gateway": {
                "image": NGINX,
                "listen": f"127.0.0.1:{free_port()}",
                "admin": f"127.0.0.1:{free_port()}",
                "keepalive": "1s",
                "drain_timeout": "2s",
            },
            "services": {
                "app": {"image": "none:{version}", "port": 8000, "routes": [{"path": "/"}]}
            },
        }
    )
    engine = bench.engine
    fake = ask_by(engine.host.listen) if isinstance(engine, FakeEngine) else None
    admin = Admin(stack.gateway.admin, fake)
    spec = gateway_spec(stack)
    for volume in spec.volumes:
        engine.ensure_volume(volume.name, spec.labels)
    container = engine.create(spec)
    routing = Routing("first.boot")
    config = Config(routing, render(stack, routing))
    engine.write(container, FOLDER, pack(config))
    engine.write(container, FOLDER, pack_link("current", routing.id))
    engine.start(container)
    bench.until(admin.serving)
    gateway = Gateway(engine, bench.look(container), admin, bench.clock)
    looks = [gateway.workers().accepting]

    def all_begun() -> bool | None:
        looks.append(gateway.workers().accepting)
        return looks[-1] == looks[-2] or None

    bench.until(all_begun)
    yield Door(bench, stack, admin, gateway, container, config)
    gateway.close()


def test_nginx_says_what_it_serves(door: Door) -> None:
    """The id and the whole config, whose first lines are the routing."""
    assert door.admin.serving() == "first.boot"
    assert door.admin.config() == door.admin.current() == door.config.text
    assert parse_config(door.admin.config()) == door.config.routing
    assert door.admin.connections() is not None
    assert len(door.gateway.workers().accepting) > 0


def test_a_config_is_tested_before_anything_changes(door: Door) -> None:
    """NGINX's own words are in the error, and the folder is gone again."""
    good = door.make("second", Lane())
    broken = Config(good.routing, good.text.replace("events {", "events {{"))
    with pytest.raises(GatewayError, match="emerg"):
        door.gateway.stage(broken)

    assert door.gateway.stored() == ("first.boot",)
    assert door.admin.config() == door.config.text


def test_a_reload_makes_a_staged_config_serve_and_old_workers_leave(door: Door) -> None:
    """New workers accept, the link names the new config, and after the drain no old one is left."""
    before = door.gateway.workers().accepting
    second = door.make("second", Lane())
    door.switch(second)

    assert door.admin.serving() == "second.stage"
    assert door.admin.config() == door.admin.current() == second.text
    assert not door.gateway.workers().accepting & before
    assert door.gateway.drain((), 8000, 2).cut == 0
    assert door.gateway.workers().leaving == frozenset()
    assert set(door.gateway.stored()) == {"first.boot", "second.stage"}


def test_a_reload_is_awaited_to_its_last_worker(door: Door) -> None:
    """As many begin as there were; those may go on to accept for a while."""
    before = door.gateway.workers().accepting
    second = door.make("second", Lane())
    door.gateway.stage(second)
    door.gateway.reload(second.routing.id)

    assert len(door.gateway.await_reload(before) - before) == len(before)


def test_a_config_that_is_discarded_is_gone(door: Door) -> None:
    """The one that serves goes on."""
    door.switch(door.make("second", Lane()))
    door.gateway.discard(["first.boot"])

    assert door.gateway.stored() == ("second.stage",)
    assert door.admin.serving() == "second.stage"


def test_an_earlier_config_comes_back(door: Door) -> None:
    """Its workers are new ones, and the link names it again."""
    known = door.gateway.workers().accepting
    door.switch(door.make("second", Lane()))
    door.gateway.restore("first.boot", known)

    assert door.admin.serving() == "first.boot"
    assert door.admin.current() == door.config.text


def test_a_config_that_is_not_there_is_never_served(door: Door) -> None:
    """NGINX keeps what it has when the link leads nowhere, and takes the next good one."""
    door.gateway.reload("nowhere")
    door.switch(door.make("second", Lane()))

    assert door.admin.serving() == "second.stage"
    assert set(door.gateway.stored()) == {"first.boot", "second.stage"}


def test_a_replica_is_probed_by_its_name(door: Door) -> None:
    """One that is not there is an answer as well, but not a good one."""
    door.bench.run("app-blue-1", APP)

    def healthy() -> bool | None:
        answer = door.admin.probe(door.bench.name("app-blue-1"), 8000, "/health", 2)
        return answer.status == 200 or None

    assert door.bench.until(healthy)
    absent = door.admin.probe(door.bench.name("app-blue-2"), 8000, "/health", 10)
    assert absent.status >= 500


def test_a_preview_reaches_every_replica_and_names_it(door: Door) -> None:
    """Once its name is resolved, old workers or not; a service without a preview has none."""
    for number in (1, 2):
        door.bench.run(f"app-blue-{number}", APP)
    assert door.admin.preview("app", "/health", 2).status == 404

    second = door.make("second", Lane(None, V1))
    door.gateway.stage(second)
    door.gateway.reload(second.routing.id)
    containers = door.bench.engine.containers(door.bench.stack)
    addresses = {f"{c.address}:8000" for c in containers if "-app-" in c.name}
    seen: set[str] = set()

    def all_seen() -> bool | None:
        answer = door.admin.preview("app", "/health", 2)
        if answer.status == 200:
            seen.add(answer.header(UPSTREAM).split(", ")[-1])
        return seen >= addresses or None

    assert door.bench.until(all_seen)


def test_a_gateway_that_was_restarted_serves_what_the_link_names(door: Door) -> None:
    """And the process that moves the link is started again for the next reload."""
    door.switch(door.make("second", Lane()))
    door.bench.engine.stop(door.container, 5)
    assert door.admin.serving() is None
    with pytest.raises(EngineError):
        door.gateway.reload("first.boot")

    door.bench.engine.start(door.container)
    assert door.bench.until(door.admin.serving) == "second.stage"
    door.switch(door.make("third", Lane()))
    assert door.admin.serving() == "third.stage"
