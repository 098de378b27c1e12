"""Several hosts behind one door: each gets its own service, and old names lead to the new ones."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import Unanswered, ask_once
from tests.e2e.operator import describe_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.asking import Answer
    from tests.e2e.operator import Operator

HOSTS = ("shop.example", "a.b.shop.example")


def write(operator: Operator, **gateway: object) -> None:
    """Write a stack of `app` for a host and a star, and of `api` for another one."""
    app = describe_app("/") | {
        "hosts": ["shop.example", "*.shop.example"],
        "redirect_from": ["www.shop.example", "old.example/shop/"],
    }
    app["routes"] = [{"path": "/", "redirect_from": ["/start", {"from": "/v1.0/", "status": 301}]}]
    api = describe_app("/") | {"routes": [{"path": "/", "host": "api.example"}], "version": "a1"}
    operator.write_services({"app": app, "api": api}, **gateway)


def ask(operator: Operator, host: str, path: str = "/", method: str = "GET") -> Answer:
    """Ask the public door by a host's name. Raises Unanswered."""
    where = ("127.0.0.1", operator.public)
    return ask_once(where, path, 30, method=method, headers={"Host": host})


@contextmanager
def users(operator: Operator) -> Iterator[Counter[str]]:
    """Let users of each host come while the block runs; count what they got."""
    seen: Counter[str] = Counter()
    over = threading.Event()

    def come(host: str) -> None:
        while not over.is_set():
            try:
                answer = ask(operator, host)
                seen[str(answer.json()["version"]) if answer.good else str(answer.status)] += 1
            except Unanswered as error:
                seen[str(error)] += 1

    threads = [threading.Thread(target=come, args=(host,)) for host in HOSTS]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_hosts_have_services_of_their_own_and_a_release_loses_nothing(operator: Operator) -> None:
    """The witness comes by the host, evidence and status name it, and the other host is left alone."""
    write(operator)
    operator.up()
    with users(operator) as seen:
        done = operator.deploy("v2")
    assert done.code == 0, done.stderr
    assert seen.keys() == {"v1", "v2"}, seen
    witness = operator.evidence(done)["witness"]
    assert (witness["lost"], witness["ok"] > 0) == (0, True), witness
    told = (operator.folder / done.document["evidence"] / "witness.jsonl").read_text()
    asked = {json.loads(line).get("request") for line in told.splitlines()} - {None, ""}
    assert asked == {"GET shop.example/", "POST shop.example/"}

    urls = {one["name"]: one["url"] for one in operator.status()["services"]}
    assert urls == {
        "app": f"http://shop.example:{operator.public}/",
        "api": f"http://api.example:{operator.public}/",
    }
    assert done.document["url"] == urls["app"]
    assert ask(operator, "api.example").json()["version"] == "a1"
    assert ask(operator, "API.Example.:80").json()["version"] == "a1"  # as names are compared
    unknown = ask(operator, "nobody.example")
    assert (unknown.status, unknown.json()["detail"]) == (404, "no service has this host")


@pytest.mark.parametrize(
    ("listen", "families"), [("[::1]", ["::1"]), ("[::]", ["::1", "127.0.0.1"])]
)
def test_a_door_of_ipv6_is_released_behind(
    operator: Operator, listen: str, families: list[str]
) -> None:
    """Users get in by each family that is published, and the witness proves a release."""
    operator.write_stack(listen=f"{listen}:{operator.public}")
    assert operator.up().document["gateway"] == "started"
    done = operator.deploy("v2")
    assert done.code == 0, done.stderr
    witness = operator.evidence(done)["witness"]
    assert (witness["lost"], witness["ok"] > 0) == (0, True), witness
    assert operator.status()["gateway"]["door"] == "open"
    versions = [ask_once((one, operator.public), "/", 30).json()["version"] for one in families]
    assert versions == ["v2"] * len(families)
    assert operator.up().document["gateway"] == "unchanged"


@pytest.mark.parametrize(
    ("host", "path", "status", "location"),
    [
        ("www.shop.example", "/a/b?c=d", 308, "http://shop.example/a/b?c=d"),
        ("www.shop.example:8080", "/", 308, "http://shop.example:8080/"),
        ("old.example", "/shop/a?c=d", 308, "http://shop.example/a?c=d"),
        ("old.example", "/other", 404, ""),
        ("shop.example", "/start?c=d", 308, "/?c=d"),
        ("x.shop.example", "/start/a%2Fb?c", 308, "/a%2Fb?c"),
        ("shop.example", "/start//evil.example/", 308, "/"),
        ("shop.example", "/start/\\evil.example/", 308, "/"),
        ("shop.example", "/%73tart/a", 308, "/"),
        ("shop.example", "/v1.0/a", 301, "/a"),
        ("shop.example", "/v1x0/a", 200, ""),
    ],
)
def test_old_names_and_paths_lead_to_the_new_ones(
    redirecting: Operator, host: str, path: str, status: int, location: str
) -> None:
    """With what was asked behind them, and never to where a stranger wants."""
    answer = ask(redirecting, host, path)
    assert (answer.status, answer.header("Location")) == (status, location)


def test_a_service_is_told_the_host_whose_routes_were_looked_at(redirecting: Operator) -> None:
    """A request line may name another one than `Host` does: else a host's `allow` would be gone round."""
    for line, host, told in (
        ("http://shop.example/", "api.example", "shop.example"),
        ("http://API.example/", "shop.example", "api.example"),
        ("http://api.example:81/", "api.example:82", "api.example:82"),
        ("/", "Api.Example.:8080", "Api.Example.:8080"),
    ):
        asked = f"GET {line} HTTP/1.1\r\nHost: {host}\r\nX-Echo: 1\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", redirecting.public), timeout=10) as wire:
            wire.sendall(asked.encode())
            answer = b"".join(iter(lambda: wire.recv(65536), b""))
        document = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert document["version"] == ("a1" if "api" in told.lower() else "v1")
        headers = dict(document["headers"])
        assert (headers["Host"], headers["X-Forwarded-Host"]) == (told, told), line


@pytest.fixture(scope="module")
def redirecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Return somebody whose stack is up, for tests that only ask, and closes unknown hosts out."""
    from secrets import token_hex

    from tests.e2e.operator import Operator

    operator = Operator(tmp_path_factory.mktemp("redirecting"), f"t{token_hex(3)}")
    try:
        write(operator, unknown_hosts="close")
        operator.up()
        yield operator
    finally:
        operator.remove_everything()


def test_a_host_that_nobody_has_gets_no_answer(redirecting: Operator) -> None:
    """Where that is wanted; the door still counts as open."""
    with pytest.raises(Unanswered):
        ask(redirecting, "nobody.example")
    assert redirecting.status()["gateway"]["door"] == "open"
