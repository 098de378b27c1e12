"""Services that call each other by name, through the gateway: `http://back`."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.operator import describe_app

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

CALLS = """
import collections, json, sys, threading, urllib.request as r
over, seen = threading.Event(), collections.Counter()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.is_set():
    for body in None, b"{}":
        try:
            with r.urlopen("http://back/some/path", body, timeout=10) as answer:
                seen[json.load(answer)["version"]] += 1
        except Exception as error:
            seen[repr(error)] += 1
    if sum(seen.values()) == 2:
        print("calls", flush=True)
print(json.dumps(seen))
"""
ASK = (
    "import urllib.request as r; print(r.urlopen(r.Request({!r}, headers={!r}), timeout=10).status)"
)


def inner_service(**keys: object) -> dict[str, object]:
    """Return a service that no route leads to."""
    app = describe_app("/")
    return {key: app[key] for key in app if key not in ("routes", "witness")} | keys


def write(operator: Operator, *more: str) -> None:
    """Write a stack with `app`, which users reach, and others that they do not."""
    operator.write_stack()
    stack = operator.read()
    stack["services"] |= {name: inner_service() for name in ("back", *more)}
    operator.write(stack)


def ask_inside(operator: Operator, url: str, host: str = "") -> Any:
    """Return what a replica of `app` gets."""
    script = ASK.format(url, {"Host": host} if host else {})
    return operator.run("exec", "app", "--", "python", "-c", script)


def test_a_call_by_name_outlives_each_release_of_who_is_called(operator: Operator) -> None:
    """Two releases and a rollback of a service without routes, under calls: none fails."""
    write(operator)
    operator.up()
    with subprocess.Popen(
        (*operator.stackctl, "exec", "app", "--", "python", "-c", CALLS),
        cwd=operator.folder,
        env=operator.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "calls\n"
        for command in (
            ("deploy", "back", "--version", "v2"),
            ("deploy", "back", "--version", "v3"),
            ("rollback", "back"),
        ):
            done = operator.run(*command, "--output", "json")
            assert done.code == 0, done.stderr
        said, _ = caller.communicate(timeout=60)
    seen = json.loads(said)
    assert seen.keys() == {"v1", "v2", "v3"}, seen
    assert min(seen.values()) > 5, seen

    _, answered = operator.get("/some/path", {"Host": "back"})
    assert answered["version"] == "v1"  # of `app`: nobody is led inside
    stranger = ask_inside(operator, "http://back/", "nobody")
    assert "HTTP Error 421" in stranger.stderr


@pytest.mark.thorough
def test_a_service_that_comes_later_has_a_name_as_well(operator: Operator) -> None:
    """For whoever is released after it. Nobody is released, or closed, for that."""
    write(operator)
    operator.up()
    write(operator, "late")
    raised = operator.run("up", "--output", "json")
    assert raised.code == 0, raised.stderr
    outcomes = {one["service"]: one["outcome"] for one in raised.document["services"]}
    assert outcomes == {"app": "unchanged", "back": "unchanged", "late": "deployed"}
    assert operator.status()["drift"] == []
    assert "Name or service not known" in ask_inside(operator, "http://late/").stderr

    released = operator.deploy("v2")
    assert released.code == 0, released.stderr
    assert released.document["witness"]["lost"] == 0
    assert ask_inside(operator, "http://late/").stdout == "200\n"
    assert ask_inside(operator, "http://back/").stdout == "200\n"
