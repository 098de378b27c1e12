"""Stacks that share one door on the real engine: no one's release, end or fault is another one's."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.client import connect

from orchestrator.asking import Unanswered, ask_once
from orchestrator.stack import naming
from tests.e2e.load import under_load
from tests.e2e.operator import Operator, wait_until
from tests.e2e.shared import DOOR, remove_door
from tests.e2e.tenants import Tenant, strict_user
from tests.e2e.tls import HOST, Door
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("shared door")  # of which an engine has one
SHOP = "shop.example"


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tenant, Tenant]]:
    """Return a shop, and a blog that has TLS as well, both behind the door and at v1."""
    ports = free_port(), free_port()
    with ExitStack() as left:
        made = []
        for name, host in (("shop", SHOP), ("blog", HOST)):
            operator = Operator(tmp_path_factory.mktemp(name), f"t{secrets.token_hex(3)}")
            left.callback(operator.remove_everything)
            made.append(Tenant(operator, host, ports))
        left.callback(remove_door)
        shop, blog = made
        blog.secured = Door(blog.operator)
        blog.secured.port = ports[1]
        for tenant in made:
            tenant.write()
            tenant.operator.up()
        yield shop, blog


def test_a_release_behind_the_door_is_proven_through_it(tenants: tuple[Tenant, Tenant]) -> None:
    """By both of its ways; the app is told of the client, and the door's config stays as it was."""
    shop, blog = tenants
    before = read_door(blog.operator)
    for tenant, version in ((shop, "v1b"), (blog, "v1b")):
        done = tenant.operator.deploy(version)
        assert done.code == 0, done.stderr
        witness = tenant.operator.evidence(done)["witness"]
        assert (witness["lost"], witness["ok"] > 0) == (0, True), witness
        assert tenant.serving() == version
    assert read_door(blog.operator) == before
    assert done.document["url"] == f"https://{HOST}:{blog.ports[1]}/"

    client = {told_client(shop), told_client(shop, "X-Forwarded-For")}
    assert len(client) == 1, "a client may say who it is"
    assert shop.ask(host="nobody.example").json()["detail"] == "no stack has this host"
    # By a connection for the other one's name, as a browser may reuse it: it is sent to another.
    assert blog.door.ask(host=HOST, told=SHOP).status == 421
    with pytest.raises(OSError, match=r"EOF|reset"):
        blog.door.connect(blog.door.trust(), "nobody.example")


# Asks the gateway of the stack as its door would, and prints which address the app was told: with TLS and without.
FORGER = """
import json, socket, ssl, sys
host, door = sys.argv[1:]
lies = "X-Forwarded-For: 203.0.113.9\\r\\nX-Real-IP: 203.0.113.9\\r\\n"
asked = f"GET / HTTP/1.1\\r\\nHost: {host}\\r\\nX-Echo: 1\\r\\n{lies}Connection: close\\r\\n\\r\\n"
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
def ask(port, first):
    try:
        wire = socket.create_connection(("gateway", port), timeout=10)
        wire.sendall(first)
        own = wire.getsockname()[0]
        if port == 8443:
            wire = context.wrap_socket(wire, server_hostname=host)
        wire.sendall(asked.encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
        headers = dict(json.loads(answer.partition(b"\\r\\n\\r\\n")[2])["headers"])
        return "itself" if headers["X-Forwarded-For"] == headers["X-Real-IP"] == own else "another"
    except OSError:
        return "nobody"
forged = f"PROXY TCP4 203.0.113.9 {door} 40000 8443\\r\\n".encode()
print(json.dumps([ask(8443, forged), ask(8443, b""), ask(8080, b"")]))
"""


def test_nobody_but_the_door_says_who_a_client_is(tenants: tuple[Tenant, Tenant]) -> None:
    """A service that asks its own gateway as the door does is taken for itself."""
    _, blog = tenants
    engine = blog.operator.engine
    door = engine.inspect_container(DOOR)["NetworkSettings"]["Networks"]
    (own,) = [n for n in blog.operator.containers() if "-app-" in n]
    front = door[naming.network_name(naming.SHARED)]["IPAddress"]
    asked = engine.exec_create(own, ["python", "-c", FORGER, HOST, front])
    printed = engine.exec_start(asked["Id"]).decode()
    assert json.loads(printed) == ["itself", "nobody", "itself"]


def told_client(tenant: Tenant, *lies: str) -> str:
    """Return which address the app is told, whatever else a client claims of itself."""
    where, claimed = ("127.0.0.1", tenant.ports[0]), dict.fromkeys(lies, "203.0.113.9")
    echo = {"Host": tenant.host, "X-Echo": "1", **claimed}
    headers = dict(ask_once(where, "/", 30, headers=echo).json()["headers"])
    assert headers["X-Forwarded-For"] == headers["X-Real-IP"]
    return str(headers["X-Forwarded-For"])


def read_door(operator: Operator) -> str:
    """Return the config that the door serves."""
    asked = operator.engine.exec_create(DOOR, ["cat", "/etc/stackctl/current/nginx.conf"])
    return str(operator.engine.exec_start(asked["Id"]).decode())


def test_what_becomes_of_one_stack_is_nothing_to_the_other(
    tenants: tuple[Tenant, Tenant], tmp_path: Any
) -> None:
    """One is broken in each way, taken down and brought back: clients of the other lose nothing."""
    shop, blog = tenants
    url = f"https://{HOST}:{blog.ports[1]}/"
    with (
        strict_user(blog) as visits,
        under_load(url, tmp_path, rate=100, proto="HTTP/2.0") as load,
        connect(f"ws://{HOST}:{blog.ports[0]}/socket") as talk,
    ):
        shop.write(SHOP, HOST)  # which is the other one's
        refused = shop.operator.run("up")
        assert refused.code == 1, refused.stderr
        assert f"`{HOST}` is a host of the stack `{blog.operator.name}`" in refused.stderr
        assert shop.serving() == "v1b"

        shop.operator.engine.stop(f"{shop.operator.name}-gateway", timeout=0)
        assert shop.ask().status == 502
        shop.operator.engine.start(f"{shop.operator.name}-gateway")
        wait_until(lambda: shop.serving() == "v1b" or None)
        shop.write()
        assert shop.operator.run("down").code == 0
        assert shop.ask().status == 404
        shop.write(SHOP, "*.shop.example")
        shop.operator.up()
        assert shop.serving() == "v1"
        assert shop.ask(host="a.shop.example").good
        talk.send("still")  # by a worker of the door that is three configs old
        assert talk.recv(timeout=10) == "still"
    assert visits.failed == []
    assert visits.answered > 100
    assert (load.sent > 300, load.failed) == (True, 0)


def test_who_comes_from_the_machine_itself_is_let_in(tenants: tuple[Tenant, Tenant]) -> None:
    """Where a route names `127.0.0.1`, and not by a claim of one's own."""
    shop, _ = tenants
    lists = {"/host/": ["127.0.0.1"], "/office/": ["203.0.113.0/24"]}
    routes = [{"path": path, "allow": allow} for path, allow in lists.items()]
    shop.write(SHOP, "*.shop.example", routes=[{"path": "/"}, *routes])
    shop.operator.up()
    assert [shop.ask(path).status for path in ("/", *lists)] == [200, 200, 403]
    claimed = {"Host": SHOP, "X-Forwarded-For": "203.0.113.7"}
    assert ask_once(("127.0.0.1", shop.ports[0]), "/office/", 30, headers=claimed).status == 403
    shop.write(SHOP, "*.shop.example")
    shop.operator.up()


def test_a_door_is_where_all_its_stacks_say(tenants: tuple[Tenant, Tenant]) -> None:
    """One that names other ports is told where the door is, and nothing of it changes."""
    shop, _ = tenants
    elsewhere = Tenant(shop.operator, SHOP, (free_port(), shop.ports[1]))
    elsewhere.write(SHOP, "*.shop.example")
    refused = shop.operator.run("up")
    assert refused.code == 1
    assert f"the door that stacks share is at 127.0.0.1:{shop.ports[0]}" in refused.stderr
    shop.write(SHOP, "*.shop.example")
    assert shop.operator.up().document["gateway"] == "unchanged"


def test_a_door_that_died_is_brought_back_with_all_that_it_led_to(
    tenants: tuple[Tenant, Tenant],
) -> None:
    """By the engine where it was killed, and by `up` of any stack where it is gone altogether."""
    shop, blog = tenants
    engine = shop.operator.engine
    engine.kill(DOOR)
    engine.start(DOOR)
    wait_until(lambda: answers(blog) or None)
    engine.remove_container(DOOR, force=True)
    told = shop.operator.run("status", "--output", "json").document["gateway"]
    assert told["door"] == "apart"
    shop.operator.up()
    assert (shop.ask().good, blog.ask().good) == (True, True)


def answers(tenant: Tenant) -> bool:
    """Whether users get an answer."""
    try:
        return tenant.ask().good
    except Unanswered:
        return False


def test_the_last_one_takes_the_door_down(tenants: tuple[Tenant, Tenant]) -> None:
    """And nothing of it is left on the engine."""
    shop, blog = tenants
    assert shop.operator.run("down").code == 0
    assert blog.ask().good
    assert DOOR in blog.operator.run("down", "--output", "json").document["containers"]
    label = {"label": f"{naming.STACK}={naming.SHARED}"}
    engine = shop.operator.engine
    left = [*engine.containers(all=True, filters=label), *engine.networks(filters=label)]
    assert left == []
    assert not engine.volumes(filters=label)["Volumes"]
