"""Why a candidate did not pass, from what the engine and the container know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.engine.values import Ending
from orchestrator.release.symptoms import explain_ending, explain_listeners
from orchestrator.sockets import ESTABLISHED, LISTENING
from tests.fakes.apps import NEVER, App
from tests.fakes.box import ANYBODY, kernel_form, socket_table
from tests.fakes.faults import Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = 64 * 1024**2
PORT = 8000


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A stack that serves v1."""
    return World(tmp_path).begin()


@pytest.mark.parametrize(
    ("ending", "text", "hint"),
    [
        (Ending(137, out_of_memory=True), "was killed for memory", "memory`, now 64 MiB"),
        (Ending(1, out_of_memory=True), "was killed for memory", "memory`, now 64 MiB"),
        (Ending(137), "was killed with SIGKILL (exit code 137)", "memory`, now 64 MiB"),
        (Ending(0), "ended by itself with exit code 0", "foreground"),
        (Ending(3), "ended with exit code 3", "log"),
        (Ending(139), "ended with exit code 139 (SIGSEGV)", "log"),
        (Ending(255), "ended with exit code 255", "log"),
    ],
)
def test_an_end_has_a_reason(ending: Ending, text: str, hint: str) -> None:
    """The kernel's, or the exit code and what it stands for."""
    reason = explain_ending(ending, MEMORY, ended=True)
    assert reason.text == text
    assert hint in reason.hint


def test_a_process_that_was_killed_in_a_container_that_goes_on_is_told() -> None:
    """The first process may live while the kernel kills those that do the work."""
    reason = explain_ending(Ending(0, out_of_memory=True), MEMORY, ended=False)
    assert reason.text == "lost a process that was killed for memory"


@pytest.mark.parametrize(
    ("listeners", "text"),
    [
        (["127.0.0.1:8000"], "listens on 127.0.0.1 only"),
        (["::1:8000"], "listens on ::1 only"),
        (["::ffff:127.0.0.1:8000"], "listens on 127.0.0.1 only"),
        (["127.0.0.1:8000", "::1:8000"], "listens on 127.0.0.1 and ::1 only"),
        ([":::8000"], "listens on IPv6 only at port 8000"),
        (["0.0.0.0:3000"], "listens on port 3000, and not on 8000"),
        (["0.0.0.0:3000", "127.0.0.1:9000"], "listens on port 3000, 9000, and not on 8000"),
        ([], "listens on no port, and should listen on 8000"),
        (["127.0.0.11:41234"], "listens on no port, and should listen on 8000"),
    ],
)
def test_a_port_that_nobody_reaches_has_a_reason(listeners: list[str], text: str) -> None:
    """What listens, and where; the engine's own resolver is in every container."""
    rows = [_row(address, LISTENING) for address in listeners]
    reason = explain_listeners(socket_table(rows), PORT)
    assert reason is not None
    assert reason.text.startswith(text)


@pytest.mark.parametrize("listeners", [["0.0.0.0:8000"], ["127.0.0.1:8000", "10.1.0.7:8000"]])
def test_a_port_that_is_reached_has_none(listeners: list[str]) -> None:
    """Then the app's answer is what there is to tell."""
    rows = [_row(address, LISTENING) for address in listeners]
    assert explain_listeners(socket_table(rows), PORT) is None


@pytest.mark.parametrize(
    "text", ["", "cat: not found", "\0\n" * 99, "x local_address 0:0 1 0A 0A\n"]
)
def test_a_container_may_say_anything(text: str) -> None:
    """What is no table of sockets is no reason, and no failure either."""
    assert (explain_listeners(text, PORT) is None) is ("local_address" not in text)


def test_connections_are_no_listeners() -> None:
    """An app that has called its database listens on no port by that."""
    reason = explain_listeners(socket_table([_row("10.1.0.7:8000", ESTABLISHED)]), PORT)
    assert reason is not None
    assert reason.text == "listens on no port, and should listen on 8000"


FAILURES = {
    "memory": (App(ends=137, out_of_memory=True), "killed for memory", "now 512 MiB"),
    "a code": (App(ends=3), "it ended with exit code 3", "last log lines"),
    "done": (App(ends=0), "it ended by itself with exit code 0", "foreground"),
    "loopback": (App(listens="127.0.0.1"), "listens on 127.0.0.1 only", "0.0.0.0, port 8000"),
    "IPv6": (App(listens="::"), "listens on IPv6 only", "0.0.0.0, port 8000"),
    "port": (App(port=3000), "listens on port 3000, and not on 8000", "health.port"),
    "late": (App(ready_after=NEVER), "listens on no port", "health.deadline"),
    "bare": (
        App(listens="::", bare=True),
        "answered status 502 it takes no con",
        "health.deadline",
    ),
    "redirect": (App(redirects="https://a/login"), "redirects to `https://a/login`", "expect"),
    "sick": (App(healthy_after=NEVER), 'answered status 503 {"version"', "health.deadline"),
    "a child": (App(healthy_after=NEVER, out_of_memory=True), "lost a process", "now 512 MiB"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_release_that_fails_says_why(world: World, kind: str) -> None:
    """In the words of whoever can put it right; users stay where they were."""
    world.host.apps["v2"], text, hint = FAILURES[kind]
    result = world.deploy("v2")

    assert (result.outcome, world.serving()) == ("reverted", {"v1"})
    assert result.error is not None
    assert text in result.error.message
    assert hint in str(result.error.hint)


@pytest.mark.parametrize("method", ["ending", "execute"])
def test_an_engine_that_does_not_say_why_hides_no_failure(world: World, method: str) -> None:
    """The last answer is told instead."""
    world.host.apps["v2"] = App(listens="::")
    world.engine.fail(Fault(method, "shop-notes-green-1"))
    result = world.deploy("v2")

    assert result.outcome == "reverted"
    assert "`shop-notes-green-1` answered status 502" in str(result.error)


def test_a_release_that_goes_well_asks_for_no_reason(world: World) -> None:
    """Not one call of the engine is made for it."""
    world.engine.calls.clear()
    assert world.deploy("v2").outcome == "deployed"
    assert not [call for call in world.engine.calls if call.method == "ending"]


@pytest.mark.parametrize(
    ("health", "app"),
    [
        ({"version": "ignore"}, App(answers="1.4.2")),
        ({"port": 9000}, App(health_port=9000)),
        ({"expect": [302]}, App(redirects="/login")),
    ],
)
def test_apps_of_many_kinds_are_released(world: World, health: dict[str, Any], app: App) -> None:
    """With a version of their own, another port for their health, or a login before it."""
    world.host.apps["v2"] = app
    world.notes["health"] = world.notes["health"] | health
    assert world.deploy("v2").outcome == "deployed"
    assert world.serving() == {"v2"}
    assert world.status().services[0].active is not None


def _row(listener: str, state: str) -> tuple[str, str, str]:
    address, _, port = listener.rpartition(":")
    return kernel_form(address, int(port)), ANYBODY, state
