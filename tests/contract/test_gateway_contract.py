"""What stackctl relies on in NGINX: the simulation and the real one behave alike."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import ask_once
from orchestrator.errors import EngineError, GatewayError
from orchestrator.gateway.addresses import AddressTable, fit_table
from orchestrator.gateway.admin import ADMIN_PORT, PUBLIC_PORT, UNREACHED, UPSTREAM, Admin
from orchestrator.gateway.apply import Gateway
from orchestrator.gateway.config import Config, parse_config
from orchestrator.gateway.container import gateway_spec
from orchestrator.gateway.files import CURRENT, FOLDER, LIVE, lane_file, pack_config, pack_current
from orchestrator.gateway.lane import Lane, Target
from orchestrator.gateway.render import render
from orchestrator.sockets import SOCKETS, listens
from orchestrator.stack import naming
from orchestrator.stack.model import Stack
from orchestrator.stack.quantities import Address
from tests.contract.bench import NGINX, Bench
from tests.fakes.engine import FakeEngine
from tests.fakes.wire import ask_by
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stack.model import Color

APP = (
    "python",
    "-c",
    """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "v1", "host": "%s"}' % self.headers["Host"].encode())

    do_HEAD = do_GET

HTTPServer(("", 8000), Health).serve_forever()
""",
)
HANGING = (
    "python",
    "-c",
    "import socket, time; kept = socket.create_server(('', 8000), backlog=128); time.sleep(600)",
)
BLUE, GREEN = Target("blue", "v1", 1, "first"), Target("green", "v2", 1, "second")


@dataclass
class Door:
    """A gateway that runs, and what it was made from."""

    bench: Bench
    stack: Stack
    admin: Admin
    gateway: Gateway
    container: str
    config: Config

    def make(self, keepalive: int) -> Config:
        """Return another config."""
        gateway = self.stack.gateway.model_copy(update={"keepalive": float(keepalive)})
        return render(self.stack.model_copy(update={"gateway": gateway}), self.config.table)

    def start_app(self, color: Color) -> None:
        """Start the one replica of a color, and wait until it answers."""
        (address,) = self.config.table.require("app", color).addresses
        self.bench.run(f"app-{color}-1", APP, address=address)

        def healthy() -> bool | None:
            return self.admin.probe(f"app-{color}-1", "/health", 2).status == 200 or None

        assert self.bench.until(healthy)


def load(bench: Bench) -> Stack:
    """Return the stack of these tests."""
    service = {"image": "none:{version}", "port": 8000, "routes": [{"path": "/", "cache": {}}]}
    return Stack.model_validate(
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
            "services": {"app": service, "other": {**service, "routes": []}},
        }
    )


@pytest.fixture
def door(bench: Bench) -> Iterator[Door]:
    """Return a gateway that knows no version yet."""
    stack, engine = load(bench), bench.engine
    network = engine.network(naming.network_name(bench.stack))
    assert network is not None
    config = render(stack, fit_table(AddressTable(), stack, network.addresses, ()))
    ask = ask_by(engine.host.listen) if isinstance(engine, FakeEngine) else ask_once
    admin = Admin(stack.gateway.admin, stack.gateway.listen, ask)
    spec = gateway_spec(stack)
    for volume in spec.volumes:
        engine.ensure_volume(volume.name, spec.labels)
    container = engine.create(spec)
    engine.write(container, FOLDER, pack_config(config))
    engine.write(container, FOLDER, pack_current(config.id))
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
    """The id and the whole config, whose first lines are its addresses."""
    assert door.admin.serving() == door.config.id
    assert door.admin.config() == door.admin.current() == door.config.text
    assert parse_config(door.admin.config()) == door.config
    assert door.admin.connections() is not None
    assert len(door.gateway.workers().accepting) > 0


def test_a_config_is_tested_before_anything_changes(door: Door) -> None:
    """NGINX's own words are in the error, and the folder is gone again."""
    good = door.make(2)
    broken = replace(good, text=good.text.replace("events {", "events {{"))
    with pytest.raises(GatewayError, match="emerg"):
        door.gateway.change_config(broken, door.config, 2, ())

    assert door.gateway.stored() == (door.config.id,)
    assert door.admin.config() == door.config.text


def test_another_config_is_taken_up_and_old_workers_leave(door: Door) -> None:
    """New workers accept, the link names the new config, and soon no old one is left."""
    before = door.gateway.workers().accepting
    second = door.make(2)
    door.gateway.change_config(second, door.config, 2, ())

    assert door.admin.serving() == second.id
    assert door.admin.config() == door.admin.current() == second.text
    assert not door.gateway.workers().accepting & before
    assert door.gateway.await_departures(2)
    assert door.gateway.workers().leaving == frozenset()
    assert set(door.gateway.stored()) == {door.config.id, second.id}
    door.gateway.sweep({second.id})
    assert door.gateway.stored() == (second.id,)


def test_a_config_that_is_not_there_is_never_served(door: Door) -> None:
    """NGINX keeps what it has when the link leads nowhere, and takes the next good one."""
    door.gateway.turn("nowhere")
    door.bench.engine.signal(door.container, "HUP")
    second = door.make(2)
    door.gateway.change_config(second, door.config, 2, ())

    assert door.admin.serving() == second.id


def test_a_service_without_a_lane_serves_nobody(door: Door) -> None:
    """Never one color by default: it may be a candidate that nobody has promoted."""
    door.start_app("blue")

    assert door.admin.served("/") == ""
    assert door.admin.lane("app") is None
    assert door.admin.lanes() == {}


def test_a_link_that_is_moved_moves_users_at_once(door: Door) -> None:
    """To one color, to the other and back; no worker is replaced; the lane is read through it."""
    before = door.gateway.workers()
    lane = Lane(BLUE)
    for number, (moved, upstream) in enumerate(
        [
            (lane, "app_blue"),
            (lane.stage(GREEN), "app_blue"),
            (lane.stage(GREEN).promote(), "app_green"),
            (lane.stage(GREEN).promote().go_back(), "app_blue"),
            (Lane(GREEN), "app_green"),
        ]
    ):
        door.gateway.move("app", f"r.{number}", moved)
        assert door.admin.lane("app") == moved
        assert door.admin.served("/") == upstream
        door.gateway.confirm_move("app", moved, lambda: door.admin.served("/"))
    assert door.admin.lanes() == {"app": Lane(GREEN)}
    assert door.gateway.workers() == before


def test_the_witness_goes_the_way_that_users_go(door: Door) -> None:
    """By the mark of a color that all get: it would not see otherwise that one is wrong."""
    door.start_app("blue")
    door.gateway.move("app", "r.1", Lane(GREEN))
    assert door.admin.served("/") == "app_green"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("moves/app/r.1/blue"))
    door.bench.engine.write(door.container, FOLDER, content.getvalue())
    assert door.admin.served("/") == "app_blue"


def test_a_move_that_is_asked_for_twice_is_made_once(door: Door) -> None:
    """Nobody knows whether the first one was made where its answer was lost."""
    door.gateway.move("app", "r.1", Lane(BLUE))
    door.gateway.move("app", "r.1", Lane(BLUE))

    assert door.admin.lane("app") == Lane(BLUE)
    assert door.gateway.stored_lanes("app") == (Lane(BLUE),)


def test_moves_that_no_link_leads_to_are_swept(door: Door) -> None:
    """The lane that decides stays."""
    door.gateway.move("app", "r.1", Lane(BLUE))
    door.gateway.move("app", "r.2", Lane(GREEN))
    door.gateway.move("other", "r.1", Lane(BLUE))
    assert set(door.gateway.stored_lanes("app")) == {Lane(BLUE), Lane(GREEN)}
    door.gateway.sweep({door.config.id})

    assert door.gateway.stored_lanes("app") == (Lane(GREEN),)
    assert door.admin.lanes() == {"app": Lane(GREEN), "other": Lane(BLUE)}


def test_a_link_that_is_dropped_serves_nobody(door: Door) -> None:
    """As before the first release; dropping it again is fine."""
    door.gateway.move("app", "r.1", Lane(BLUE))
    door.gateway.drop("app")
    door.gateway.drop("app")

    assert door.admin.lane("app") is None
    assert door.admin.served("/") == ""


def test_a_lane_of_a_stopped_gateway_is_read_from_its_disk(door: Door) -> None:
    """Through the link, as NGINX would."""
    door.gateway.move("app", "r.1", Lane(BLUE))
    door.bench.engine.stop(door.container, 5)

    assert door.bench.engine.read(door.container, lane_file("app")).strip() == Lane(BLUE).to_json()
    assert door.bench.engine.read(door.container, CURRENT) == door.config.text


def test_nobody_is_unfinished_where_nobody_asks(door: Door) -> None:
    """Looking is no request of a user's: two looks do not take each other for one."""
    assert not door.admin.busy("app_blue")
    assert not door.admin.busy("app_blue")
    quiet = door.gateway.await_quiet("app", "blue", door.config.table.of("app", "blue"), 2)
    assert quiet.cut == 0
    assert door.admin.busy("nonsense")  # who cannot be told is not taken for quiet


def test_a_gateway_takes_connections_that_come_from_elsewhere(door: Door) -> None:
    """What it listens on is seen inside; and whether it is reached, from here."""
    sockets = door.bench.engine.execute(door.container, SOCKETS).text
    assert listens(sockets, ADMIN_PORT)
    assert not door.admin.refused()

    nowhere = Address("127.0.0.1", free_port())
    assert Admin(nowhere, nowhere).refused()


def test_the_public_door_answers_by_itself(door: Door) -> None:
    """As users come, and behind what leads there; no replica has to run for that."""
    behind = Address(door.bench.look(door.container).address, PUBLIC_PORT)
    assert door.admin.opens()
    assert door.admin.opens(behind)
    assert not door.admin.opens(Address("127.0.0.1", free_port()))


@pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])
def test_the_public_door_answers_however_a_service_hangs(door: Door) -> None:
    """Or no release could help a version that takes requests and never answers one."""
    (address,) = door.config.table.require("app", "blue").addresses
    door.bench.run("app-blue-1", HANGING, address=address)
    door.gateway.move("app", "1.retire", Lane(BLUE))

    def hangs() -> bool | None:
        return door.admin.served("/") == "" or None

    assert door.bench.until(hangs)
    assert door.admin.opens()


def test_a_replica_is_probed_by_its_name(door: Door) -> None:
    """One that is not there is an answer as well, but not a good one; a stranger is not asked."""
    door.start_app("blue")

    assert door.admin.probe("app-green-1", "/health", 10).status >= 500
    assert door.admin.probe("app-blue-2", "/health", 10).status == 404


@pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])
def test_a_probe_and_a_preview_may_name_a_host(door: Door) -> None:
    """For apps that answer by the name that they are called by, which stack.yaml gives."""
    app = door.stack.services["app"]
    health = app.health.model_copy(update={"host": "shop.example"})
    services = {**door.stack.services, "app": app.model_copy(update={"health": health})}
    door.start_app("blue")
    config = render(door.stack.model_copy(update={"services": services}), door.config.table)
    door.gateway.change_config(config, door.config, 5, ())
    named = {"Host": "shop.example:8443"}
    for answer in (
        door.admin.probe("app-blue-1", "/health", 10, named),
        door.admin.preview("app", "blue", "/health", 10, named),
    ):
        assert answer.json()["host"].partition(":")[0] == "shop.example"


def test_a_probe_asks_at_the_port_of_health(door: Door) -> None:
    """While users are sent to the service's own port."""
    app = door.stack.services["app"]
    health = app.health.model_copy(update={"port": 9})
    services = {**door.stack.services, "app": app.model_copy(update={"health": health})}
    door.start_app("blue")
    config = render(door.stack.model_copy(update={"services": services}), door.config.table)
    door.gateway.change_config(config, door.config, 5, ())

    answer = door.admin.probe("app-blue-1", "/health", 10)
    assert (answer.status, answer.text) == (502, UNREACHED)
    assert door.admin.preview("app", "blue", "/health", 10).status == 200


def test_a_preview_reaches_every_replica_and_names_it(door: Door) -> None:
    """Of either color, whoever gets the traffic."""
    door.start_app("green")
    (server,) = door.config.table.require("app", "green").servers
    answer = door.admin.preview("app", "green", "/health", 2)

    assert (answer.status, answer.header(UPSTREAM)) == (200, server)
    assert door.admin.preview("app", "blue", "/health", 5).status >= 500


def test_a_cache_is_emptied_without_its_folder(door: Door) -> None:
    """NGINX goes on to use it."""
    door.gateway.empty_cache("app_blue")
    door.gateway.empty_cache("app_blue")

    assert door.admin.serving() == door.config.id


def test_a_gateway_that_was_restarted_serves_what_the_links_say(door: Door) -> None:
    """And the process that moves links is started again for the next move."""
    second = door.make(2)
    door.gateway.change_config(second, door.config, 2, ())
    door.gateway.move("app", "r.1", Lane(BLUE))
    door.bench.engine.stop(door.container, 5)
    assert door.admin.serving() is None
    assert door.admin.busy("app_blue")
    with pytest.raises(EngineError):
        door.gateway.move("app", "r.2", Lane(GREEN))

    door.bench.engine.start(door.container)
    assert door.bench.until(door.admin.serving) == second.id
    assert door.admin.lane("app") == Lane(BLUE)
    door.gateway.move("app", "r.2", Lane(GREEN))
    assert door.admin.served("/") == "app_green"
    assert door.bench.engine.execute(door.container, ("ls", LIVE)).text.split() == ["app"]
