"""One at a time: who holds the lock, and how long others wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import Conflict, EngineError, LockedError, NotFound
from orchestrator.release.lock import ci_link, describe_lock, hold_lock, operator
from orchestrator.release.observe import observe
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path


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


def test_whoever_waits_in_vain_is_told_after_that_time(world: World) -> None:
    """No earlier, and not much later."""
    world.engine.fail(Fault("hold", times=ALWAYS, error=taken))
    with pytest.raises(LockedError), hold_lock(world.house, "up", wait=30):
        pass

    assert 30 <= world.clock.monotonic() < 31


def test_without_waiting_the_answer_comes_at_once(world: World) -> None:
    """The lock is asked for once."""
    world.engine.fail(Fault("hold", times=ALWAYS, error=taken))
    with pytest.raises(LockedError, match="somebody on another machine"):
        hold_lock(world.house, "up").__enter__()

    assert world.clock.slept == []


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
