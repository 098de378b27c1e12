"""One at a time: who holds the lock, and how long others wait for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import ContainerSpec
from orchestrator.errors import ConfigurationError, Conflict, EngineError, LockedError, NotFound
from orchestrator.events import Warned
from orchestrator.release.lock import ci_link, describe_lock, hold_lock, operator
from orchestrator.release.observe import observe
from orchestrator.settings import hoist
from orchestrator.stack import naming
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engine.ports import Lease


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack of which nothing runs yet."""
    return World(tmp_path)


def taken() -> Exception:
    """Return what the engine says while somebody else has the lock."""
    return Conflict("taking the lock: the name is in use")


def test_the_holder_is_named_to_whoever_comes_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Command, person, host, time and job: enough to go and ask."""
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    monkeypatch.setenv("CI_JOB_URL", "https://ci.example/7")
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)
    with (
        hold_lock(world.house, "deploy notes v2"),
        pytest.raises(LockedError) as caught,
        hold_lock(world.house, "up"),
    ):
        pass

    message = caught.value.message
    assert message.startswith("`deploy notes v2` by ada on ")
    assert message.endswith("since 2030-01-01T00:00:00+00:00 (https://ci.example/7)")
    assert caught.value.exit_code == 5
    assert caught.value.hint
    assert "--wait" in caught.value.hint


def take_by(world: World, process: str) -> Lease:
    """Take the lock in the name of a process of this machine."""
    facts = {"holder": "ada", "host": socket.gethostname(), "process": process, "command": "up"}
    labels = naming.labels("shop", "lock", **facts)
    return world.engine.hold(ContainerSpec("shop-lock", "nginx:1.30", labels, None))


def test_the_lock_of_a_holder_that_has_died_is_waited_for(world: World) -> None:
    """The engine takes a moment to see that its connection is gone: nobody is refused meanwhile."""
    program = [sys.executable, "-c", "import os; print(os.getpid())"]
    ended = subprocess.run(program, capture_output=True, text=True, check=True)
    left, refused = take_by(world, ended.stdout.strip()), iter(range(5))

    def take_note() -> Exception:
        if next(refused) == 4:
            left.release()
        return taken()

    world.engine.fail(Fault("hold", times=5, error=take_note))
    with hold_lock(world.house, "deploy notes v2") as lease:
        assert lease.held


@pytest.mark.parametrize("process", ["ours", "1", "", "no number", "9" * 30])
def test_the_lock_of_a_holder_that_may_live_is_refused_at_once(world: World, process: str) -> None:
    """Where nobody can tell, it lives."""
    take_by(world, str(os.getpid()) if process == "ours" else process)
    with pytest.raises(LockedError, match="`up` by ada"):
        hold_lock(world.house, "deploy notes v2").__enter__()
    assert world.clock.monotonic() == 0


def test_the_lock_is_free_after_the_block(world: World) -> None:
    """Its container is gone, and the next one gets it."""
    with hold_lock(world.house, "up"):
        assert observe(world.house).lock is not None

    assert world.states() == {}
    with hold_lock(world.house, "up") as lease:
        assert lease.held


def test_the_lock_is_free_after_an_error_in_the_block(world: World) -> None:
    """However it was left."""
    with pytest.raises(RuntimeError), hold_lock(world.house, "up"):
        raise RuntimeError

    assert world.states() == {}


def test_whoever_waits_gets_it_when_it_comes_free(world: World) -> None:
    """It is asked for again and again, until the time is up."""
    world.engine.fail(Fault("hold", times=10, error=taken))
    with hold_lock(world.house, "up", wait=60) as lease:
        assert lease.held

    assert 1 < world.clock.monotonic() < 60


def test_the_lock_is_held_since_it_was_taken(world: World) -> None:
    """Not since somebody began to wait for it."""
    world.engine.fail(Fault("hold", times=10, error=taken))
    with hold_lock(world.house, "up", wait=60):
        lock = describe_lock(observe(world.house).lock)

    assert world.clock.monotonic() > 1
    assert lock is not None
    assert lock["since"] == world.clock.now().isoformat(timespec="seconds")


def test_whoever_waits_sees_for_whom(world: World) -> None:
    """Once, in the log of a CI job as well: command, person, host and time."""
    with hold_lock(world.house, "up"), pytest.raises(LockedError):
        hold_lock(world.house, "prune", wait=10).__enter__()

    (told,) = (event.text for event in world.events if isinstance(event, Warned))
    assert told.startswith("waiting: `up` by ")
    assert told.endswith("holds the lock since 2030-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("given", "taken_as"),
    [
        (["--wait"], ["--wait", "3600"]),
        (["--wait", "30"], ["--wait", "30"]),
        (["--wait=30"], ["--wait=30"]),
        (["--wait", "1e3"], ["--wait", "1e3"]),
        (["--wait", ".5", "web"], ["--wait", ".5", "web"]),
        (["--wait", "30s"], ["--wait", "30s"]),
        (["--wait", "-1"], ["--wait", "-1"]),
        (["--wait", "web"], ["--wait", "3600", "web"]),
        (["--wait", "--version", "v2"], ["--wait", "3600", "--version", "v2"]),
        (["--", "--wait"], ["--", "--wait"]),
    ],
)
def test_wait_may_go_without_its_number(given: list[str], taken_as: list[str]) -> None:
    """An hour, then; whatever begins like a number is meant as one, and refused where it is none."""
    assert hoist(given) == taken_as


@pytest.mark.parametrize("wait", [-1.0, float("nan")])
def test_no_time_to_wait_is_refused(world: World, wait: float) -> None:
    """A deadline that is none would never come."""
    with pytest.raises(ConfigurationError, match="no time to wait"):
        hold_lock(world.house, "up", wait=wait).__enter__()

    assert world.engine.calls == []


def test_a_container_that_only_looks_like_the_lock_is_not_named_as_its_holder(
    world: World,
) -> None:
    """Whatever is started by hand may wear its labels."""
    labels = naming.labels("shop", "lock", holder="mallory", command="nothing")
    world.engine.run(ContainerSpec("other", "nginx:1.30", labels, None))
    with hold_lock(world.house, "up"), pytest.raises(LockedError, match=r"^`up` by"):
        hold_lock(world.house, "prune").__enter__()


def test_a_lock_whose_taker_died_before_it_began_is_taken_over(world: World) -> None:
    """It was made and never started, so the engine would keep it for ever."""
    labels = naming.labels("shop", "lock", holder="ada", command="up", host="ci", since="now")
    world.engine.create(ContainerSpec("shop-lock", "nginx:1.30", labels, None))
    with pytest.raises(LockedError, match="`up` by ada on ci holds the lock since now"):
        hold_lock(world.house, "prune").__enter__()

    with hold_lock(world.house, "prune", wait=60) as lease:
        assert lease.held
    assert 5 <= world.clock.monotonic() < 6


def test_whoever_waits_in_vain_is_told_after_that_time(world: World) -> None:
    """No earlier, and not much later."""
    world.engine.fail(Fault("hold", times=ALWAYS, error=taken))
    with pytest.raises(LockedError), hold_lock(world.house, "up", wait=30):
        pass

    assert 30 <= world.clock.monotonic() < 31


def test_without_waiting_the_answer_comes_at_once(world: World) -> None:
    """The lock is asked for once."""
    with hold_lock(world.house, "up"), pytest.raises(LockedError, match=r"^`up` by"):
        hold_lock(world.house, "prune").__enter__()

    assert world.clock.slept == []


def test_a_holder_whom_the_engine_does_not_list_yet_is_waited_for(world: World) -> None:
    """The name of a container is taken some time before it is listed: who it is can be said then."""
    world.engine.fail(Fault("hold", times=2, error=taken))
    with hold_lock(world.house, "up") as lease:
        assert lease.held

    assert 0 < world.clock.monotonic() < 2


def test_a_holder_who_stays_unknown_is_waited_for_in_vain(world: World) -> None:
    """A container of that name which is not of this stack, say."""
    world.engine.fail(Fault("hold", times=ALWAYS, error=taken))
    with pytest.raises(LockedError, match="somebody unknown holds the lock `shop-lock`"):
        hold_lock(world.house, "up").__enter__()

    assert 10 <= world.clock.monotonic() < 11


def test_an_engine_that_fails_is_not_a_lock_that_is_taken(world: World) -> None:
    """Waiting would not help."""
    world.engine.fail(Fault("hold"))
    with pytest.raises(EngineError), hold_lock(world.house, "up", wait=60):
        pass

    assert world.clock.slept == []


def test_a_stack_without_a_lock_has_no_holder() -> None:
    """JSON says null."""
    assert describe_lock(None) is None


def test_the_labels_of_the_lock_say_who_holds_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` shows them."""
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    with hold_lock(world.house, "prune"):
        holder = world.status().lock

    assert holder is not None
    assert (holder["holder"], holder["command"]) == ("ada", "prune")
    assert set(holder) == {"holder", "host", "since", "command", "ci"}


@pytest.mark.parametrize(
    ("environment", "link"),
    [
        ({}, ""),
        ({"CI_JOB_URL": "https://gitlab.example/job/1"}, "https://gitlab.example/job/1"),
        (
            {
                "GITHUB_RUN_ID": "7",
                "GITHUB_SERVER_URL": "https://github.example",
                "GITHUB_REPOSITORY": "team/shop",
            },
            "https://github.example/team/shop/actions/runs/7",
        ),
    ],
)
def test_a_ci_job_is_linked(environment: dict[str, str], link: str) -> None:
    """Empty outside of CI."""
    assert ci_link(environment) == link


@pytest.mark.parametrize("variable", ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "LOGNAME"])
def test_the_operator_is_who_started_the_job(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person of the CI job before the account that it runs in."""
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "ada")

    assert operator() == "ada"


def test_a_lock_needs_the_gateways_image(world: World) -> None:
    """It is there on every host that has run `up`; without it the engine says what is missing."""
    world.document["gateway"]["image"] = "nginx:1.99"
    with pytest.raises(NotFound, match=r"nginx:1\.99"), hold_lock(world.house, "down"):
        pass
