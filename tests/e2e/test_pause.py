"""`pause` and `resume` on a real engine: users are told to come back, and nobody is cut off."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.e2e.operator import describe_app, wait_until

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


class Answer(NamedTuple):
    """What a client got."""

    status: int
    kind: str
    retry_after: str | None
    text: str


class Client:
    """Somebody who keeps one connection."""

    def __init__(self, operator: Operator) -> None:
        self._wire = http.client.HTTPConnection("127.0.0.1", operator.public, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()

    def ask(
        self,
        path: str = "/",
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Answer:
        """Send a request over the connection, which must not have been closed."""
        self._wire.request(method, path, body, headers or {})
        answer = self._wire.getresponse()
        text, told = answer.read().decode(), answer.headers
        return Answer(answer.status, told["Content-Type"] or "", told["Retry-After"], text)

    @property
    def door(self) -> int:
        """Return its own port: another one is another connection."""
        return int(self._wire.sock.getsockname()[1])


def write_two(operator: Operator, **pause: object) -> None:
    """Write a stack with two services; with `pause`, the gateway has these keys."""
    operator.write_services(
        {"app": describe_app("/"), "other": describe_app("/other/")},
        keepalive="30s",
        trusted_proxies=["127.0.0.1"],
        **({"pause": pause} if pause else {}),
    )


def test_users_of_a_paused_service_are_told_to_come_back(operator: Operator) -> None:
    """Programs by a problem document, browsers by a page; on the connections that they have."""
    write_two(operator)
    operator.up()
    with Client(operator) as client, Client(operator) as late:
        _see_a_pause(operator, client, late)


def _see_a_pause(operator: Operator, client: Client, late: Client) -> None:
    assert client.ask().status == 200
    door, config = client.door, operator.config_id()
    slow: list[Answer] = []
    asking = threading.Thread(target=lambda: slow.append(late.ask("/?seconds=3")))
    asking.start()
    wait_until(lambda: operator.ask_gateway().busy("app_blue") or None)
    (operator.folder / "soon.html").write_text("<h1>We paint the walls</h1>")

    done = operator.run("pause", "app", "--page", "soon.html", "--output", "json")
    assert (done.code, done.document) == (0, {"changed": ["app"], "unchanged": []})
    told = client.ask()
    assert (told.status, told.kind, told.retry_after) == (503, "application/problem+json", "60")
    assert json.loads(told.text)["detail"] == "the service is paused for maintenance"
    page = client.ask(headers=BROWSER)
    assert (page.status, page.kind, page.retry_after) == (503, "text/html; charset=utf-8", "60")
    assert page.text == "<h1>We paint the walls</h1>"
    assert client.ask(method="POST", body=b"x" * 100_000, headers=BROWSER).status == 503
    assert client.ask("/other/").status == 200
    asking.join()
    assert [one.status for one in slow] == [200]  # who was there before is answered
    assert (client.door, operator.config_id()) == (door, config)
    (app,) = (one for one in operator.status()["services"] if one["name"] == "app")
    assert app["paused"]

    released = operator.deploy("v2")
    assert released.code == 0, released.stderr
    assert "`app` is paused" in released.stderr
    assert released.document["witness"]["lost"] == 0
    assert client.ask().status == 503

    resumed = operator.run("resume")
    assert (resumed.code, resumed.stdout) == (0, "resumed app\n"), resumed.stderr
    assert json.loads(client.ask().text)["version"] == "v2"
    assert client.door == door


def test_who_is_allowed_gets_in_meanwhile(operator: Operator) -> None:
    """By the address of the client, whoever stands before it; all others are told when to come again."""
    write_two(operator, retry_after="2m", allow=["203.0.113.0/24", "127.0.0.1"])
    operator.up()
    assert operator.run("pause").code == 0
    tester, user = ({"X-Forwarded-For": one} for one in ("203.0.113.7", "198.51.100.7"))
    with Client(operator) as client:
        told = client.ask(headers=user)
        assert (told.status, told.retry_after) == (503, "120")
        assert client.ask(headers=tester).status == 200
        assert client.ask().status == 200  # the host itself
        assert operator.run("resume").stdout == "resumed app\nresumed other\n"
        assert client.ask(headers=user).status == 200
