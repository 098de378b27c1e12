"""The reference stack: three services, their databases and the gateway, as its users meet them."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import secrets
import socket
from base64 import urlsafe_b64decode
from contextlib import closing
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.sync.client import connect

from orchestrator.bench.k6 import THRESHOLD_MISSED
from orchestrator.stack.load import load_stack
from tests.e2e.load import SCRIPTS, run_k6, under_load
from tests.e2e.names import NAMES
from tests.e2e.operator import Operator, wait_until
from tests.e2e.users import (
    MEGABYTE,
    PASSWORD,
    User,
    assert_problem,
    bearer,
    form_around,
    open_client,
    sign_up,
    store,
    upload,
)
from tests.hostile.trial import attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

pytestmark = pytest.mark.xdist_group("platform")

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


HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
    b"\0\0\0\rIDATx\x9cc```\xf8\x0f\0\x01\x04\x01\0_\xe5\xc3K\0\0\0\0IEND\xaeB`\x82"
)


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


def test_every_service_is_healthy_behind_the_gateway(platform: Operator) -> None:
    """All replicas, on the version that `up` releases first."""
    services = {service["name"]: service["active"] for service in platform.status()["services"]}
    wanted = {"version": "v1", "color": "blue", "healthy": 2, "wanted": 2}
    assert services.keys() == {"notes", "auth", "assets"}
    assert all(active.items() >= wanted.items() for active in services.values())
    assert platform.status()["drift"] == []


def test_each_replica_says_who_it_is_to_the_gateway_only(
    platform: Operator, anybody: httpx.Client
) -> None:
    """That it is ready, that it is alive, and which version it has."""
    admin = platform.ask_gateway()
    for service in ("auth", "notes", "assets"):
        who = {"service": service, "version": "v1"}
        for number in (1, 2):
            replica = f"{service}-blue-{number}"
            assert admin.probe(replica, "/health", 10).json() == {"status": "ok", **who}
            assert platform.ask_at(replica, "/livez").json() == {"status": "alive", **who}
        for path in ("/health", f"/{service}/health"):
            assert_problem(anybody.get(path), 404)


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
    assert platform.engine.inspect_network(f"{platform.name}-net")["Internal"] is True
    for name in platform.containers():
        on = platform.engine.inspect_container(name)["NetworkSettings"]["Networks"].keys()
        edge = {f"{platform.name}-edge"} if name == f"{platform.name}-gateway" else set()
        assert on == {f"{platform.name}-net"} | edge


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


def test_a_token_that_auth_has_not_signed_as_it_stands_opens_nothing(
    platform: Operator, user: User, anybody: httpx.Client
) -> None:
    """Expired, of another key, for others, from others, or signed by another algorithm: 401."""
    good = user.authorization.removeprefix("Bearer ")
    key_id = jwt.get_unverified_header(good)["kid"]
    seed = platform.environment["AUTH_SIGNING_KEYS"].partition(",")[0]
    real = Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(f"{seed}=="))
    claims = jwt.decode(good, options={"verify_signature": False})

    def sign(key: Any, algorithm: str = "EdDSA", kid: str = key_id, **changed: object) -> str:
        return jwt.encode(claims | changed, key, algorithm, headers={"kid": kid})

    head, _, signature = good.split(".")
    tokens = {
        "expired": sign(real, exp=claims["iat"] - 60),
        "of another key": sign(Ed25519PrivateKey.generate()),
        "of an unknown key": sign(Ed25519PrivateKey.generate(), kid="unknown"),
        "for others": sign(real, aud="elsewhere"),
        "from others": sign(real, iss="elsewhere"),
        "unsigned": sign(None, "none"),
        "by the public key": sign(real.public_key().public_bytes_raw() * 2, "HS256"),
        "changed": f"{head}.{sign(real, sub=secrets.token_hex(16)).split('.')[1]}.{signature}",
        "cut": good[:-1],
        "nothing": "a.b.c",
    }
    assert anybody.get("/auth/me", headers=bearer(sign(real))).status_code == 200
    for token in tokens.values():
        for method, path in (("GET", "/auth/me"), ("GET", "/assets/"), ("POST", "/assets/")):
            assert_problem(anybody.request(method, path, headers=bearer(token)), 401)
        refused = anybody.post("/notes/", json={"title": "forged"}, headers=bearer(token))
        assert_problem(refused, 401)
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("offered", ["h2c", "HTTP/2.0", "foo"])
def test_a_client_that_offers_another_protocol_is_served_in_this_one(
    anybody: httpx.Client, offered: str
) -> None:
    """With the body that it sends. Only WebSocket is passed on as an offer."""
    headers = {"Upgrade": offered, "Connection": "Upgrade"}
    answer = anybody.post("/auth/refresh", json={"refresh_token": "of-nobody"}, headers=headers)
    assert_problem(answer, 401)


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


def test_a_thousand_names_that_are_more_than_a_name_are_refused(platform: Operator) -> None:
    """Each with a problem document; nothing of them is stored."""
    assert len(set(NAMES)) == len(NAMES) >= 1000
    with open_client(platform) as client:
        owner = sign_up(client)
        for name in NAMES:
            answer = store(owner, name, b"content")
            assert answer.status_code in {400, 422}, (name, answer.text)
            assert_problem(answer, answer.status_code)
        assert client.get("/assets/").json() == {"assets": [], "next": None}


def test_a_file_is_what_it_holds_whatever_it_is_called(user: User, anybody: httpx.Client) -> None:
    """And is served so that no browser takes it for more."""
    for name, content, kind, shown in (
        ("page.png", HTML, "application/octet-stream", "attachment"),
        ("picture.html", PIXEL, "image/png", "inline"),
        ("picture.svg.exe", PIXEL + HTML, "image/png", "inline"),
        ("script.pdf", b"alert(1)", "text/plain", "inline"),
    ):
        stored = store(user, name, content)
        assert (stored.status_code, stored.json()["content_type"]) == (201, kind)
        got = anybody.get(f"/assets/{stored.json()['id']}")
        assert got.content == content
        assert got.headers["Content-Type"].partition(";")[0] == kind
        assert got.headers["Content-Disposition"].startswith(f'{shown}; filename="{name}"')
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Content-Security-Policy"] == "sandbox"


def test_a_body_beyond_the_limit_is_refused(user: User) -> None:
    """By the gateway, with a problem document, before the service reads any of it."""
    assert_problem(user.client.post("/notes/", content=b"a" * 2 * 2**20), 413)
    assert_problem(user.client.post("/auth/refresh", content=b"a" * 20_000), 413)


def test_a_file_beyond_the_limit_is_refused_also_where_its_length_is_unknown(user: User) -> None:
    """By whoever notices first; the rest is not passed on."""
    head, _, kind = form_around("endless.bin")

    def endless() -> Iterator[bytes]:
        yield head
        for _ in range(300):
            yield MEGABYTE

    headers = {"Content-Type": kind}
    assert_problem(user.client.post("/assets/", content=endless(), headers=headers), 413)


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


@pytest.mark.parametrize("attack", ["sockets", "uploads"])
def test_honest_users_lose_nothing_under_an_attack(platform: Operator, attack: str) -> None:
    """A slice of `make hostile`, which has all attacks, and longer ones."""
    outcome = attempt(platform, attack, seconds=5)

    assert (outcome.lost, outcome.killed) == ({}, 0)
    assert outcome.sent > 200
    assert outcome.got["sent"] > 50


@pytest.mark.parametrize(
    ("accessory", "path"),
    [("notes-db", "/notes/"), ("auth-db", "/auth/me"), ("assets-db", "/assets/")],
)
def test_a_database_that_stops_is_a_503_until_it_is_back(
    platform: Operator, user: User, accessory: str, path: str
) -> None:
    """Nothing that was written is lost, and no service has to be restarted."""
    kept = user.client.post("/notes/", json={"title": "kept", "body": accessory}).json()
    file = store(user, "kept.txt", accessory.encode()).json()
    name = f"{platform.name}-{accessory}"
    platform.engine.stop(name)
    assert_problem(user.client.get(path), 503)
    platform.engine.start(name)

    wait_until(lambda: user.client.get(path).status_code == 200 or None, within=60)
    assert wait_until(lambda: all_healthy(platform) or None, within=60)
    assert user.client.get(f"/notes/{kept['id']}").json()["body"] == accessory
    assert user.client.get(f"/assets/{file['id']}").content == accessory.encode()
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


def is_promoted(platform: Operator, service: str) -> bool:
    """Whether users get the version that is being released."""
    lane = platform.ask_gateway().lane(service)
    return lane is not None and lane.step == "promoted"


def test_an_upload_in_flight_survives_the_release(platform: Operator, user: User) -> None:
    """It began on the old version and ends there; the new one then serves it."""
    head, tail, kind = form_around("slow.bin")
    body = head + b"a" * 10_000 + tail
    with (
        closing(socket.create_connection(("127.0.0.1", platform.public), timeout=60)) as wire,
        platform.running("deploy", "assets", "--version", "v2", "--output", "json") as process,
    ):
        wire.sendall(
            f"POST /assets/ HTTP/1.1\r\nHost: gateway\r\nAuthorization: {user.authorization}\r\n"
            f"Content-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body[:5000]
        )
        wait_until(lambda: is_promoted(platform, "assets") or None, within=120)
        wire.sendall(body[5000:])
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        assert answer.status == 201
        stored = json.loads(answer.read())
        assert process.wait(120) == 0
    assert stored["sha256"] == hashlib.sha256(b"a" * 10_000).hexdigest()
    assert user.client.get(f"/assets/{stored['id']}").content == b"a" * 10_000
