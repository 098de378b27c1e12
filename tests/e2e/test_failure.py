"""Releases that go wrong on the real engine: users keep what they had, nothing is left over."""

from __future__ import annotations

import secrets
import signal
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.e2e.operator import Operator, interrupt, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

together = pytest.mark.xdist_group("failure")

# What can become of the link that says who serves: missing, dangling, a loop, an empty or a broken lane.
SPOILED = (
    "rm $0",
    "ln -sfn nowhere $0",
    "ln -sfn app $0",
    ": >$0/lane.json",
    "echo '{' >$0/lane.json",
)


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory, layers: None) -> Iterator[Operator]:  # noqa: ARG001
    """Somebody whose app serves v1, for tests that end with what they began with, as each of them asserts."""
    operator = Operator(tmp_path_factory.mktemp("unharmed"), f"t{secrets.token_hex(3)}")
    try:
        operator.write_stack()
        operator.up()
        yield operator
    finally:
        operator.remove_everything()


@together
@pytest.mark.parametrize(
    ("version", "deadline", "reason"),
    [
        ("sick", 2, "did not give 3 healthy answers in a row within 2 s"),
        ("fickle", 2, "did not give 3 healthy answers in a row within 2 s"),
        ("crash", 20, "crashed at start"),
        ("liar", 20, "answers version `v0`, asked for was `liar`"),
        ("unbuildable", 20, "returned a non-zero code: 9"),
    ],
)
def test_a_bad_candidate_is_removed_and_the_active_version_serves(
    unharmed: Operator, version: str, deadline: int, reason: str
) -> None:
    """Whatever is wrong with a candidate: exit 1, the reason, and everything is as it was."""
    app = unharmed
    app.write_stack({"health": {"interval": "50ms", "deadline": f"{deadline}s"}})
    before = app.containers(running=False)

    with app.unbuildable() if version == "unbuildable" else nullcontext():
        done = app.deploy(version)

    assert done.code == 1
    assert done.document["outcome"] == "reverted"
    assert reason in done.document["error"]["message"]
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert app.serving() == "v1"
    assert app.containers(running=False) == before
    assert done.document["witness"]["lost"] == 0
    evidence = app.evidence(done)
    assert evidence["outcome"] == "reverted"
    assert reason in evidence["failure"]["reason"]


@pytest.mark.parametrize("keep", ["stopped", "running"])
def test_a_bad_candidate_leaves_the_way_back(app: Operator, keep: str) -> None:
    """What is kept for a rollback is kept through a release that fails, and through one that is killed."""
    app.write_stack({"keep": keep, "health": {"interval": "50ms", "deadline": "2s"}})
    assert app.deploy("v2").code == 0
    before = app.containers(), app.containers(running=False)

    assert app.deploy("sick").code == 1
    assert (app.containers(), app.containers(running=False)) == before
    with app.running("deploy", "app", "--version", "sick") as process:
        wait_for(process, "start")
        process.kill()
    done = app.run("rollback", "app", "--output", "json")

    assert (done.code, done.document["version"]) == (0, "v1"), done.stderr
    assert app.serving() == "v1"
    assert app.containers(running=False) == before[1]


@together
def test_a_failed_candidate_shows_its_probes_and_its_last_words(unharmed: Operator) -> None:
    """Why a candidate failed is on the screen: what it answered, and what it logged."""
    app = unharmed
    before = app.containers(running=False)
    done = app.run("deploy", "app", "--version", "crash")

    assert done.code == 1
    assert f"{app.name}-app-green-1 probe 1" in done.stderr
    assert "boom: this version cannot start" in done.stderr
    assert (app.serving(), app.containers(running=False)) == ("v1", before)


def test_a_reload_that_does_not_happen_is_noticed(app: Operator) -> None:
    """NGINX that never takes the new config is not believed: the release fails, v1 serves."""
    app.write_stack({"routes": [{"path": "/"}, {"path": "/new/"}]})
    app.tell_gateway("STOP")  # the master sleeps, its workers go on serving what they know
    try:
        done = app.deploy("v2")
    finally:
        app.tell_gateway("CONT")

    assert done.code in (1, 4)
    assert done.document["outcome"] in ("reverted", "failed_unsafe")
    assert "after the reload" in done.document["error"]["message"]
    assert app.serving() == "v1"
    assert f"{app.name}-app-blue-1" in app.containers()

    again = app.deploy("v2")
    assert again.code == 0, again.stderr
    assert app.serving() == "v2"


def test_a_release_needs_no_reload(app: Operator) -> None:
    """NGINX's master sleeps through it: the workers look at the link by themselves."""
    app.tell_gateway("STOP")
    try:
        done = app.deploy("v2")
        assert app.serving() == "v2"
    finally:
        app.tell_gateway("CONT")

    assert done.code == 0, done.stderr


def test_a_link_that_is_spoiled_is_told_and_put_right(app: Operator) -> None:
    """Nobody gets a color by default; the next `up` leads users to where they were, and a rollback finds its way."""
    app.deploy("v2")
    gateway, link = f"{app.name}-gateway", "/etc/stackctl/live/app"
    known = app.ask_gateway().lane("app")
    assert known is not None
    for spoil in SPOILED:
        act = app.engine.exec_create(gateway, ["sh", "-c", spoil, link], user="0")
        app.engine.exec_start(act["Id"])
        told = app.status()
        assert told["services"][0]["active"] is None, spoil
        assert "service `app` has not been released" in told["drift"], spoil

        up = app.run("up")
        assert up.code == 0, (spoil, up.stderr)
        lane = app.ask_gateway().lane("app")
        assert lane is not None
        assert replace(lane, config=known.config) == known, spoil  # the kept color too
        assert app.serving() == "v2", spoil
        assert app.status()["drift"] == [], spoil
    for users in ("v1", "v2"):
        assert app.run("rollback", "app").code == 0
        assert app.serving() == users


def test_a_stranger_on_a_replicas_address_is_named_before_anything_starts(app: Operator) -> None:
    """It took the address of a color that is stopped; the active version serves on."""
    app.deploy("v2")
    network = f"{app.name}-net"
    blue = app.engine.inspect_container(f"{app.name}-app-blue-1")
    address = blue["NetworkSettings"]["Networks"][network]["IPAMConfig"]["IPv4Address"]
    stranger = app.engine.create_container(
        blue["Image"],
        ["sleep", "60"],
        entrypoint=[],
        labels={"io.stackctl.stack": app.name},  # so that it is removed in any case
        networking_config=app.engine.create_networking_config(
            {network: app.engine.create_endpoint_config(ipv4_address=address)}  # type: ignore[arg-type]
        ),
    )
    app.engine.start(stranger)
    name = app.engine.inspect_container(stranger)["Name"].lstrip("/")

    for done in (app.deploy("v3"), app.run("rollback", "app", "--output", "json")):
        assert done.code == 1
        assert f"`{name}` has the address {address}" in done.document["error"]["message"]
        assert app.serving() == "v2"


def test_a_gateway_that_restarts_after_a_release_finds_a_whole_config(app: Operator) -> None:
    """What NGINX starts with after new routes were released is a config that it takes."""
    gateway = f"{app.name}-gateway"
    app.write_stack({"routes": [{"path": "/"}, {"path": "/" + "a" * 180}]})

    done = app.deploy("v2")
    assert done.code == 0, done.stderr
    app.engine.restart(gateway)
    assert app.status()["gateway"]["state"] == "running"


@together
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_release_is_undone(unharmed: Operator, number: signal.Signals) -> None:
    """A signal during the gate removes the candidate and exits with 130 or 143."""
    app = unharmed
    app.write_stack({"health": {"interval": "50ms", "deadline": "60s"}})
    before = app.containers(running=False)
    with app.running("deploy", "app", "--version", "sick") as process:
        wait_for(process, "start")
        code, _, stderr = interrupt(process, number)

    assert code == 128 + number
    assert "undone the candidate was removed" in stderr
    assert app.containers(running=False) == before
    assert app.serving() == "v1"
    assert app.status()["lock"] is None


def test_a_killed_release_leaves_no_lock_and_the_next_one_puts_things_right(app: Operator) -> None:
    """After kill -9 in the middle, the next release clears what was left and succeeds."""
    with app.running("deploy", "app", "--version", "sick") as process:
        wait_for(process, "start")
        process.kill()
        process.communicate()

    done = app.deploy("v2", "--wait", "10")
    assert done.code == 0, done.stderr
    assert app.serving() == "v2"
    assert len(app.containers()) == 3


def test_two_releases_at_once_are_one_release(app: Operator) -> None:
    """The second one is told who holds the lock, and exits with 5; with `--wait` it queues."""
    app.write_stack({"health": {"interval": "50ms", "deadline": "60s"}})
    with app.running("deploy", "app", "--version", "sick") as first:
        wait_for(first, "start")
        assert app.status()["lock"]["command"] == "deploy app sick"
        second = app.deploy("v2")
        assert second.code == 5
        assert "`deploy app sick` by" in second.document["error"]["message"]
        with app.running("deploy", "app", "--version", "v3", "--wait", "60") as third:
            code, _, _ = interrupt(first)
            assert code == 130
            _, stderr = third.communicate(timeout=60)
            assert third.returncode == 0, stderr
    assert app.serving() == "v3"


def test_a_gateway_that_is_down_is_named(app: Operator) -> None:
    """Without a gateway there is no release, and `up` brings it back to what it served."""
    app.deploy("v2")
    app.engine.stop(f"{app.name}-gateway")

    done = app.deploy("v3")
    assert done.code == 1
    assert "stackctl up" in done.stderr
    app.up()
    assert app.serving() == "v2"


def test_a_gateway_that_dies_comes_back_with_the_same_config(app: Operator) -> None:
    """NGINX killed outright restarts by itself on the config of the last release."""
    app.deploy("v2")
    app.engine.restart(f"{app.name}-gateway", timeout=0)

    status = app.status()
    assert status["gateway"]["state"] == "running"
    assert status["services"][0]["active"]["version"] == "v2"
    assert app.run("deploy", "app", "--version", "v3").code == 0
    assert app.serving() == "v3"
