"""The reference stack: three services, their databases and the gateway, as its users meet them."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import secrets
import socket
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from websockets.sync.client import connect

from orchestrator.bench.k6 import THRESHOLD_MISSED
from orchestrator.stack.load import load_stack
from tests.e2e.load import SCRIPTS, run_k6, under_load
from tests.e2e.operator import Operator, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("platform")

PASSWORD = secrets.token_urlsafe(16)
MEGABYTE = b"\x00\x01\x02\x03\x04\x05\x06\x07" * 2**17
LARGE = 200  # megabytes; the service has 128 of memory
# Tries every address and port it is given, at once, and prints those that answer.
INTRUDER = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def reach(target):
    host, port = target.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return target
    except OSError:
        return ""
with ThreadPoolExecutor(64) as pool:
    print(*filter(None, pool.map(reach, sys.argv[1:])))
"""


class User(NamedTuple):
    """Somebody with an account, and a client that carries their token."""

    client: httpx.Client
    email: str

    @property
    def authorization(self) -> str:
        """Return what stands in the header."""
        return str(self.client.headers["Authorization"])


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Somebody who runs the shipped stack."""
    operator = Operator(tmp_path_factory.mktemp("platform"), f"t{secrets.token_hex(3)}")
    try:
        operator.write_platform()
        operator.up()
        yield operator
    finally:
        operator.remove_everything()


@pytest.fixture(scope="module")
def anybody(platform: Operator) -> Iterator[httpx.Client]:
    """Give a client without an account."""
    with open_client(platform) as client:
        yield client


@pytest.fixture(scope="module")
def user(platform: Operator) -> Iterator[User]:
    """Give somebody who has registered and logged in."""
    with open_client(platform) as client:
        yield sign_up(client)


@contextmanager
def open_client(platform: Operator) -> Iterator[httpx.Client]:
    """Give a client of the gateway."""
    base = f"http://127.0.0.1:{platform.public}"
    with httpx.Client(base_url=base, timeout=30, verify=False) as client:  # noqa: S501  plain HTTP
        yield client


def sign_up(client: httpx.Client) -> User:
    """Register, log in, and carry the token from now on."""
    account = {"email": f"{secrets.token_hex(6)}@example.test", "password": PASSWORD}
    register = partial(client.post, "/auth/register", json=account)
    login = partial(client.post, "/auth/login", json=account)
    # All tests come from one address, and one of them uses its logins up on purpose.
    registered = wait_until(lambda: unless_limited(register()))
    assert registered.status_code == 201, registered.text
    entered = wait_until(lambda: unless_limited(login()))
    assert entered.status_code == 200, entered.text
    client.headers["Authorization"] = f"Bearer {entered.json()['access_token']}"
    return User(client, account["email"])


def unless_limited(answer: httpx.Response) -> httpx.Response | None:
    """Return an answer, or nothing where the client came too often."""
    return None if answer.status_code == 429 else answer


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Insist on a problem document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_every_service_is_healthy_behind_the_gateway(platform: Operator) -> None:
    """All replicas, on the version that `up` releases first."""
    services = {service["name"]: service["active"] for service in platform.status()["services"]}
    wanted = {"version": "v1", "color": "blue", "healthy": 2, "wanted": 2}
    assert services == dict.fromkeys(("notes", "auth", "assets"), wanted)
    assert platform.status()["drift"] == []


def test_services_and_databases_are_reached_only_through_the_gateway(platform: Operator) -> None:
    """No port of theirs is published, and from another network none answers."""
    assert [name for name, ports in platform.published().items() if ports] == [
        f"{platform.name}-gateway"
    ]
    ports = (5432, 8000, 8080, 8081, 27017)
    addresses = platform.addresses()
    assert len(addresses) >= 10  # six replicas, three databases, and two of the gateway
    targets = [f"{address}:{port}" for address in addresses for port in ports]
    image = load_stack(platform.folder / "stack.yaml", platform.environment).gateway.image
    reached = platform.run_beside(
        image.replace("nginx:1.30", "python:3.13-slim"), INTRUDER, targets
    )
    assert reached == ""


def test_services_and_databases_have_no_way_out(platform: Operator) -> None:
    """They are on the stack's internal network and on no other; the gateway alone is on two."""
    assert platform.engine.inspect_network(platform.name)["Internal"] is True
    for name in platform.containers():
        on = platform.engine.inspect_container(name)["NetworkSettings"]["Networks"].keys()
        edge = {f"{platform.name}-edge"} if name == f"{platform.name}-gateway" else set()
        assert on == {platform.name} | edge


def test_the_platform_runs_without_privileges(platform: Operator) -> None:
    """Services and gateway run as users, without capabilities, on a read-only root."""
    for part in ("gateway", "notes-blue-1", "auth-blue-2", "assets-blue-1"):
        found = platform.engine.inspect_container(f"{platform.name}-{part}")
        user = found["Config"]["User"]
        assert user.split(":")[0].isdecimal()
        assert int(user.split(":")[0]) > 0
        host = found["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["ReadonlyRootfs"] is True
        assert host["Memory"] > 0


def test_a_user_writes_what_anybody_reads_and_nobody_else_changes(
    platform: Operator, user: User, anybody: httpx.Client
) -> None:
    """A token of auth opens notes; without one, or with another's, a note stays as it is."""
    written = user.client.post("/notes/", json={"title": "mine", "body": "as it is"})
    assert written.status_code == 201, written.text
    place = f"/notes/{written.json()['id']}"
    change = {"title": "theirs", "body": "", "version": written.json()["version"]}

    assert anybody.get(place).json()["title"] == "mine"
    assert_problem(anybody.put(place, json=change), 401)
    with open_client(platform) as client:
        other = sign_up(client)
        assert_problem(other.client.put(place, json=change), 403)
        assert_problem(other.client.delete(place), 403)
    forged = {"Authorization": f"{user.authorization[:-8]}AAAAAAAA"}
    assert_problem(anybody.delete(place, headers=forged), 401)
    assert user.client.put(place, json=change).status_code == 200
    assert user.client.delete(place).status_code == 204


def test_a_token_goes_past_the_cache(user: User, anybody: httpx.Client) -> None:
    """Who carries one sees their own writing at once; others within a second."""
    anybody.get("/notes/")
    note = user.client.post("/notes/", json={"title": "just now", "body": ""}).json()
    own = user.client.get("/notes/")
    assert own.headers["X-Cache"] == "BYPASS"
    assert own.json()["notes"][0]["id"] == note["id"]
    assert wait_until(lambda: note["id"] in anybody.get("/notes/").text or None)


def test_a_stale_list_is_answered_while_a_fresh_one_is_fetched(anybody: httpx.Client) -> None:
    """For some seconds, as notes allows: nobody waits for the service."""
    path = f"/notes/?limit={secrets.randbelow(90) + 10}"
    wait_until(lambda: anybody.get(path).headers["X-Cache"] == "STALE" or None)
    wait_until(lambda: anybody.get(path).headers["X-Cache"] == "HIT" or None)


def test_too_many_logins_are_put_off(anybody: httpx.Client) -> None:
    """Before any of them costs the service a hash."""
    account = {"email": f"{secrets.token_hex(6)}@example.test", "password": PASSWORD}
    answers = [anybody.post("/auth/login", json=account) for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} <= {401, 429}
    assert refused
    for answer in refused:
        assert_problem(answer, 429)
        assert int(answer.headers["Retry-After"]) > 0
    assert anybody.get("/notes/").status_code == 200
    wait_until(lambda: anybody.post("/auth/login", json={}).status_code == 422 or None)


def test_a_large_file_goes_up_and_comes_down_in_a_small_container(
    platform: Operator, user: User, anybody: httpx.Client
) -> None:
    """200 MB through a service that may use 128 MB, and back, byte for byte; or a piece of it."""
    whole = hashlib.sha256(MEGABYTE * LARGE).hexdigest()
    uploaded = upload(platform, user, LARGE)
    assert (uploaded["size"], uploaded["sha256"]) == (len(MEGABYTE) * LARGE, whole)
    place = f"/assets/{uploaded['id']}"
    received = hashlib.sha256()
    with anybody.stream("GET", place) as answer:
        assert answer.status_code == 200
        for part in answer.iter_bytes():
            received.update(part)
    assert received.hexdigest() == whole

    slice_ = anybody.get(place, headers={"Range": "bytes=8-15"})
    assert (slice_.status_code, slice_.content) == (206, MEGABYTE[:8])
    assert slice_.headers["Content-Range"] == f"bytes 8-15/{uploaded['size']}"
    assert anybody.get(place, headers={"If-None-Match": slice_.headers["ETag"]}).status_code == 304
    for number in (1, 2):
        state = platform.engine.inspect_container(f"{platform.name}-assets-blue-{number}")["State"]
        assert (state["Running"], state["OOMKilled"]) == (True, False)
    assert user.client.delete(place).status_code == 204


def upload(platform: Operator, user: User, megabytes: int) -> Any:
    """Send a file as a browser does, as fast as it is taken."""
    mark = secrets.token_hex(8)
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{mark}--\r\n".encode()
    with closing(http.client.HTTPConnection("127.0.0.1", platform.public, timeout=120)) as wire:
        wire.putrequest("POST", "/assets/")
        wire.putheader("Authorization", user.authorization)
        wire.putheader("Content-Type", f"multipart/form-data; boundary={mark}")
        wire.putheader("Content-Length", str(len(head) + len(MEGABYTE) * megabytes + len(tail)))
        wire.endheaders(head)
        for _ in range(megabytes):
            wire.send(MEGABYTE)
        wire.send(tail)
        answer = wire.getresponse()
        body = answer.read()
    assert answer.status == 201, body
    return json.loads(body)


def test_a_body_beyond_the_limit_is_refused(user: User) -> None:
    """By the gateway, with a problem document, before the service reads any of it."""
    assert_problem(user.client.post("/notes/", content=b"a" * 2 * 2**20), 413)
    assert_problem(user.client.post("/auth/refresh", content=b"a" * 20_000), 413)


def test_what_happens_is_told_as_it_happens(platform: Operator, user: User) -> None:
    """Through the gateway: as server-sent events, and over a WebSocket."""
    with (
        open_client(platform) as listener,
        listener.stream("GET", "/notes/events") as events,
        connect(f"ws://127.0.0.1:{platform.public}/notes/live") as live,
    ):
        assert events.headers["Content-Type"].startswith("text/event-stream")
        note = user.client.post("/notes/", json={"title": "news", "body": ""}).json()
        assert note["id"] in next(line for line in events.iter_lines() if note["id"] in line)
        while note["id"] not in str(live.recv(timeout=10)):
            continue
        live.send("ping")
        while live.recv(timeout=10) != "pong":
            continue


@pytest.mark.parametrize(
    ("accessory", "path"),
    [("notes-db", "/notes/"), ("auth-db", "/auth/me"), ("assets-db", "/assets/")],
)
def test_a_database_that_stops_is_a_503_until_it_is_back(
    platform: Operator, user: User, accessory: str, path: str
) -> None:
    """Nothing that was written is lost, and no service has to be restarted."""
    kept = user.client.post("/notes/", json={"title": "kept", "body": accessory}).json()
    name = f"{platform.name}-{accessory}"
    platform.engine.stop(name)
    assert_problem(user.client.get(path), 503)
    platform.engine.start(name)

    wait_until(lambda: user.client.get(path).status_code == 200 or None, within=60)
    assert wait_until(lambda: all_healthy(platform) or None, within=60)
    assert user.client.get(f"/notes/{kept['id']}").json()["body"] == accessory
    assert user.client.get("/auth/me").json()["email"] == user.email


def all_healthy(platform: Operator) -> bool:
    """Whether every replica of every service is healthy."""
    active = [service["active"] for service in platform.status()["services"]]
    return all(color["healthy"] == color["wanted"] for color in active)


@pytest.mark.parametrize("script", ["test", "notes", "auth", "assets-upload"])
def test_a_load_test_keeps_its_thresholds(platform: Operator, script: str) -> None:
    """In short form: every check holds, nothing fails. How fast that is depends on the machine."""
    ended = run_k6(
        SCRIPTS / f"{script}.js", f"http://127.0.0.1:{platform.public}", duration="3s", users=4
    )
    crossed = re.findall(r"thresholds on metrics '(.+?)' have", ended.stderr)
    names = {name.strip("'") for found in crossed for name in found.split(", ")}
    assert all(name.startswith("http_req_duration") for name in names), ended.stdout[-3000:]
    assert ended.returncode == (THRESHOLD_MISSED if crossed else 0), ended.stderr[-1000:]


def test_notes_is_released_under_load_and_keeps_what_was_written(
    platform: Operator, user: User, anybody: httpx.Client
) -> None:
    """A note written to v1 is read from v2, and a load beside it notices nothing."""
    note = user.client.post("/notes/", json={"title": "before", "body": "the release"}).json()
    base = f"http://127.0.0.1:{platform.public}"
    with under_load(base, platform.folder, rate=100, script=SCRIPTS / "release.js") as load:
        done = platform.run("deploy", "notes", "--version", "v2", "--output", "json")

    assert done.code == 0, done.stderr
    assert done.document["witness"]["lost"] == 0
    assert load.sent > 300
    assert load.failed == 0
    assert anybody.get(f"/notes/{note['id']}").json()["title"] == "before"
    found = anybody.post("/notes/search", json={"text": "the release"})
    assert note["id"] in found.text


def test_two_versions_of_auth_live_on_one_database(platform: Operator, user: User) -> None:
    """v2 adds a column and shows it; v1 still works on what v2 has left, and so does v2 again."""
    assert "display_name" not in user.client.get("/auth/me").json()
    done = platform.run("deploy", "auth", "--version", "v2", "--output", "json")
    assert done.code == 0, done.stderr
    assert done.document["witness"]["lost"] == 0
    assert done.document["seconds"]["migrate"] > 0
    named = user.client.patch("/auth/me", json={"display_name": "Ada"})
    assert (named.status_code, named.json()["display_name"]) == (200, "Ada")

    back = platform.run("rollback", "auth", "--output", "json")
    assert back.code == 0, back.stderr
    assert back.document["version"] == "v1"
    with open_client(platform) as client:
        assert sign_up(client).client.get("/auth/me").status_code == 200
    assert user.client.get("/auth/me").json()["email"] == user.email

    assert platform.run("deploy", "auth", "--version", "v2").code == 0
    assert user.client.get("/auth/me").json()["display_name"] == "Ada"


def test_an_upload_in_flight_survives_the_release(platform: Operator, user: User) -> None:
    """It began on the old version and ends there; the new one then serves it."""
    mark = secrets.token_hex(8)
    body = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="slow.bin"\r\n\r\n'
        f"{'a' * 10_000}\r\n--{mark}--\r\n"
    ).encode()
    with (
        closing(socket.create_connection(("127.0.0.1", platform.public), timeout=60)) as wire,
        platform.running("deploy", "assets", "--version", "v2", "--output", "json") as process,
    ):
        wire.sendall(
            f"POST /assets/ HTTP/1.1\r\nHost: gateway\r\nAuthorization: {user.authorization}\r\n"
            f"Content-Type: multipart/form-data; boundary={mark}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body[:5000]
        )
        wait_until(lambda: "-assets-v2.promote" in platform.config_id() or None, within=120)
        wire.sendall(body[5000:])
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        assert answer.status == 201
        stored = json.loads(answer.read())
        assert process.wait(120) == 0
    assert stored["sha256"] == hashlib.sha256(b"a" * 10_000).hexdigest()
    assert user.client.get(f"/assets/{stored['id']}").content == b"a" * 10_000
