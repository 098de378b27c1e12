"""The reference stack: its stack.yaml, its service, its database, its load."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.e2e.load import under_load
from tests.e2e.operator import REPOSITORY, Operator


@pytest.fixture
def platform(operator: Operator) -> Operator:
    """Somebody who runs the shipped stack."""
    operator.write_platform()
    operator.up()
    return operator


def call(platform: Operator, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Send a request to the gateway; return the status and the JSON document."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{platform.public}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        text = answer.read()
    return answer.status, json.loads(text) if text else None


def test_notes_is_released_under_load_and_keeps_what_was_written(platform: Operator) -> None:
    """A note written to v1 is read from v2, and a load beside it notices nothing."""
    status, note = call(platform, "POST", "/notes/", {"title": "before", "body": "the release"})
    assert status == 201

    base = f"http://127.0.0.1:{platform.public}"
    script = REPOSITORY / "k6" / "release.js"
    with under_load(base, platform.folder, rate=100, script=script) as load:
        done = platform.run("deploy", "notes", "--version", "v2", "--output", "json")

    assert done.code == 0, done.stderr
    assert done.document["witness"]["lost"] == 0
    assert load.sent > 300
    assert load.failed == 0
    active = platform.status()["services"][0]["active"]
    assert active == {"version": "v2", "color": "green", "healthy": 2, "wanted": 2}
    assert call(platform, "GET", f"/notes/{note['id']}")[1]["title"] == "before"
    found = call(platform, "POST", "/notes/search", {"text": "the release"})[1]
    assert note["id"] in json.dumps(found)
    assert call(platform, "DELETE", f"/notes/{note['id']}")[0] == 204


def test_the_platform_runs_without_privileges(platform: Operator) -> None:
    """Service and gateway run as users, without capabilities, on a read-only root."""
    for part in ("gateway", "notes-blue-1"):
        found = platform.engine.inspect_container(f"{platform.name}-{part}")
        user = found["Config"]["User"]
        assert user.split(":")[0].isdecimal()
        assert int(user.split(":")[0]) > 0
        host = found["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["ReadonlyRootfs"] is True
        assert host["Memory"] > 0
    assert [name for name, ports in platform.published().items() if ports] == [
        f"{platform.name}-gateway"
    ]
