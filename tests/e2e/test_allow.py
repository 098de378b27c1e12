"""`allow` of a route on a real engine: who is let in, and that a release proves such a route too."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.e2e.operator import describe_app

if TYPE_CHECKING:
    from tests.e2e.operator import Operator


def ask(operator: Operator, path: str, client: str | None) -> tuple[int, Any]:
    """Ask as a client that a proxy of the host speaks for; without one as the host itself."""
    headers = {"X-Forwarded-For": client} if client else {}
    with closing(http.client.HTTPConnection("127.0.0.1", operator.public, timeout=30)) as wire:
        wire.request("GET", path, headers=headers)
        answer = wire.getresponse()
        return answer.status, json.loads(answer.read())


def test_a_route_lets_in_whom_it_names(operator: Operator) -> None:
    """All others are told that they may not; the witness is let in, and no request of it is lost."""
    app = describe_app("/")
    app["routes"] = [
        {"path": "/office/", "allow": ["203.0.113.0/24"]},
        {"path": "/host/", "allow": ["127.0.0.1"]},
        {"path": "/"},
    ]
    app["witness"] = [{"path": "/office/"}, {"method": "POST", "path": "/host/", "json": {}}]
    operator.write_services({"app": app}, trusted_proxies=["127.0.0.1"])
    operator.up()

    inside, outside = "203.0.113.7", "198.51.100.7"
    wanted = {
        ("/office/", inside): 200,
        ("/office/", outside): 403,
        ("/office/", None): 403,
        ("/host/", None): 200,
        ("/host/", inside): 403,
        ("/", outside): 200,
    }
    assert {one: ask(operator, *one)[0] for one in wanted} == wanted
    status, problem = ask(operator, "/office/", outside)
    assert (status, problem["detail"]) == (403, "this address may not come here")

    released = operator.deploy("v2")
    assert released.code == 0, released.stderr
    told = released.document["witness"]
    assert told["lost"] == 0
    assert told["sent"] > 0
    assert ask(operator, "/office/", inside)[1]["version"] == "v2"
