"""Jobs: one at a time, each run with a record, whatever becomes of whoever runs it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.errors import ConfigurationError, Interrupted, LockedError, StackctlError
from orchestrator.jobs.conclusion import record_left
from orchestrator.jobs.installation import Place
from orchestrator.jobs.listing import Running, find_running, list_jobs
from orchestrator.jobs.record import KEPT, JobRun, add_run, list_runs
from orchestrator.jobs.supervision import run_job
from orchestrator.jobs.timers import Caller
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from tests.fakes.apps import App
from tests.fakes.death import die, kill
from tests.fakes.faults import Fault, listening, press
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.engine.values import Container

NIGHTLY: dict[str, Any] = {"service": "notes", "command": ["sweep", "--all"], "timeout": "1m"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1 and has a job."""
    return World(tmp_path, jobs={"nightly": dict(NIGHTLY)}).begin()


def run(world: World) -> JobRun:
    """Run the job."""
    return run_job(world.house, "nightly", lambda *_: None)


def kept(world: World) -> list[tuple[str, int | None, str]]:
    """Return what the records of the job say."""
    return [
        (r.outcome, r.exit_code, r.note) for r in list_runs(world.folder / "reports", "nightly")
    ]


def containers(world: World) -> tuple[Container, ...]:
    """Return the containers of jobs."""
    return observe(world.house).runs


def listed(world: World, running: Running | None) -> tuple[bool | None, object, str]:
    """Return what the list says of now, for scripts and for people."""
    place = Place(world.folder / "units", user=True)
    caller = Caller(("stackctl",), world.folder / "stack.yaml")
    (row,) = list_jobs(world.house.stack, place, caller, world.folder / "reports", running)
    return row["running"], row["run"], row["told"]["now"]


def leave(world: World, method: str = "begin", *, late: bool = True) -> None:
    """Let stackctl be killed at a call of the engine, or just after it."""
    world.engine.fail(Fault(method, late=late, error=partial(kill, world)))
    die(world, lambda: run(world))


def meet_while_it_runs(world: World, act: Callable[[], object]) -> None:
    """Let something happen once the job runs and is looked at."""

    def happen() -> None:
        act()

    def begun() -> None:
        world.engine.fail(Fault("containers", error=happen))

    world.engine.fail(Fault("begin", late=True, error=begun))


@pytest.mark.parametrize(("code", "outcome"), [(0, "done"), (3, "failed")])
def test_a_run_leaves_a_record_and_no_container(world: World, code: int, outcome: str) -> None:
    """Its exit code is the command's, and the record has the last of what it printed."""
    lines = tuple(f"line {number}" for number in range(100))
    world.host.apps["sweep"] = App(ends=code, prints=(*lines, "x" * 10_000))
    world.deploy("v2")

    done = run(world)

    assert done.code == code
    (found,) = list_runs(world.folder / "reports", "nightly")
    assert found == done
    assert (found.outcome, found.exit_code, found.version) == (outcome, code, "v2")
    assert found.begin == "2030-01-01T" + found.begin[11:]
    assert found.image == observe(world.house).active("notes")[0].container.image
    assert (len(found.output), found.output[0]) == (40, "line 61")
    assert len(found.output[-1]) < 1000
    assert not [name for name in world.states() if "run" in name or "nightly" in name]
    file = world.folder / "reports" / "jobs" / "nightly.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_job_has_limits_of_its_own_where_it_says_so(world: World) -> None:
    """Else those of its service, whose variables it has in any case."""
    world.notes["env"] = {"WORD": "said"}
    world.document["jobs"]["nightly"]["resources"] = {"memory": "64m", "cpus": 0.5, "pids": 7}
    world.up()
    leave(world)
    (left,) = containers(world)
    made = world.engine.made(left.id)
    assert (made.memory, made.cpus, made.pids) == (64 * 1024**2, 0.5, 7)
    assert made.environment["WORD"] == "said"


def test_never_two_at_a_time(world: World) -> None:
    """The second is told who runs it; nobody is hindered who releases, and another job is not."""
    world.host.apps["sweep"] = App(ends=0)
    world.document["jobs"]["weekly"] = dict(NIGHTLY)
    with hold_lock(world.house, "run --job nightly", job="nightly"):
        with pytest.raises(LockedError, match=r"`run --job nightly` by .* the lock of `nightly`"):
            run(world)
        assert run_job(world.house, "weekly", lambda *_: None).outcome == "done"
        assert world.deploy("v2").outcome == "deployed"
        assert observe(world.house).strangers == ()
    assert kept(world) == []


def test_the_list_says_what_runs_now_and_since_when(world: World) -> None:
    """Not what has ended and is not recorded yet; where nobody can say, it says that."""
    assert listed(world, find_running(world.house)) == (False, None, "-")
    assert listed(world, None) == (None, None, "unknown")
    leave(world)
    running, run, told = listed(world, find_running(world.house))
    assert isinstance(run, dict)
    assert (running, run["service"], run["version"]) == (True, "notes", "v1")
    assert run["since"] == "2030-01-01T" + run["since"][11:]
    assert told == f"runs since {run['since']}"
    world.engine.stop(containers(world)[0].id, 0)
    assert listed(world, find_running(world.house)) == (False, None, "-")


def test_a_run_that_takes_too_long_is_ended(world: World) -> None:
    """Its exit code is told apart from one of the command's own."""
    done = run(world)
    assert (done.outcome, done.code) == ("timed out", 124)
    assert 60 <= world.clock.monotonic() <= 70
    assert containers(world) == ()
    assert kept(world)[0][2] == "it did not end within 60 s"


def test_whoever_asks_it_to_stop_ends_the_job(world: World) -> None:
    """The container is stopped, and the record says so."""
    meet_while_it_runs(world, press)
    with listening(), pytest.raises(Interrupted):
        run(world)
    assert [outcome for outcome, _, _ in kept(world)] == ["interrupted"]
    assert containers(world) == ()


def test_a_signal_between_two_steps_ends_the_job_too(world: World) -> None:
    """When its container runs, and nobody looks at it yet."""
    with listening(), pytest.raises(Interrupted):
        run_job(world.house, "nightly", lambda *_: None, lambda _: press())
    assert [outcome for outcome, _, _ in kept(world)] == ["interrupted"]
    assert containers(world) == ()


def test_a_run_that_cannot_begin_is_recorded(world: World) -> None:
    """Why it could not is in the record; a stack that is not up has none to write."""
    world.document["jobs"]["nightly"]["command"] = ["no-such-program"]
    with pytest.raises(StackctlError, match="no-such-program"):
        run(world)
    world.notes["secrets"] = ["TOKEN"]
    with pytest.raises(ConfigurationError, match="`TOKEN` is not set"):
        run(world)
    assert [(outcome, code) for outcome, code, _ in kept(world)] == [("not started", None)] * 2
    assert "`TOKEN` is not set" in kept(world)[1][2]
    assert containers(world) == ()

    world.take_down()
    with pytest.raises(StackctlError, match="no version of `notes` was released yet"):
        run(world)
    with pytest.raises(ConfigurationError, match=r"no job `daily` in stack.yaml; it has `nightly`"):
        run_job(world.house, "daily", lambda *_: None)
    assert len(kept(world)) == 2


def test_what_a_killed_stackctl_left_running_is_taken_over(world: World) -> None:
    """The next run waits for it, no longer than it may take, and begins after it."""
    leave(world)
    world.clock.sleep(20)
    (left,) = containers(world)
    assert left.running

    begun = world.clock.monotonic()
    world.engine.fail(Fault("create", error=lambda: StackctlError("no second one")))
    with pytest.raises(StackctlError, match="no second one"):
        run(world)

    assert world.clock.monotonic() - begun < 45
    assert containers(world) == ()
    assert [outcome for outcome, _, _ in kept(world)] == ["timed out"]


@pytest.mark.parametrize("find", ["run", "up", "prune"])
def test_what_a_killed_stackctl_left_ended_is_recorded(world: World, find: str) -> None:
    """By the next run, by `up` and by `prune`, once."""
    world.host.apps["sweep"] = App(ends=3)
    leave(world)
    (left,) = containers(world)
    assert left.crashed
    with hold_lock(world.house, "run --job nightly", job="nightly"):
        assert record_left(world.house) == ()  # somebody is at it
    assert kept(world) == []

    commands: dict[str, Callable[[], object]] = {
        "run": partial(run, world),
        "up": world.up,
        "prune": world.prune,
    }
    commands[find]()

    outcome, code, note = kept(world)[0]
    assert (outcome, code, note) == ("failed", 3, "the stackctl that began it died")
    assert list_runs(world.folder / "reports", "nightly")[0].end == ""
    assert containers(world) == ()
    assert len(kept(world)) == (2 if find == "run" else 1)


@pytest.mark.parametrize("moment", ["begin", "remove"])
def test_a_stackctl_that_is_killed_leaves_one_record(world: World, moment: str) -> None:
    """Before the command began, and between its record and the end of its container."""
    world.host.apps["sweep"] = App(ends=0)
    leave(world, moment, late=False)
    assert len(containers(world)) == 1
    record_left(world.house)
    assert containers(world) == ()
    assert [each[0] for each in kept(world)] == ["done" if moment == "remove" else "not started"]


def test_a_release_leaves_a_job_its_container_and_image(world: World) -> None:
    """It ends on the version that it began on, whatever is released and pruned meanwhile."""
    leave(world)
    (left,) = containers(world)
    for version in ("v2", "v3", "v4"):
        assert world.deploy(version).outcome == "deployed"
    world.prune(keep=1)
    assert containers(world) == (left,)
    assert world.engine.image(left.image).id == left.image
    assert kept(world) == []


def test_whoever_runs_a_job_sees_that_its_container_is_gone(world: World) -> None:
    """As `down` removes it, with the job's lock; then there is nothing to wait for."""

    def take_away() -> None:
        (left,) = [box for box in world.host.boxes.values() if "-run-" in box.spec.name]
        world.host.end("remove", left)

    meet_while_it_runs(world, take_away)
    done = run(world)
    assert (done.outcome, done.code) == ("removed", 1)

    leave(world)
    with hold_lock(world.house, "run --job nightly", job="nightly"):
        world.take_down()
        assert world.states() == {}


def test_the_oldest_records_go_and_what_is_none_is_passed_over(tmp_path: Path) -> None:
    """A checkout may bring such a file."""
    file = tmp_path / "reports" / "jobs" / "nightly.jsonl"
    file.parent.mkdir(parents=True)
    strange = ("[]", "{", '{"job": 3, "outcome": "done"}', '{"outcome": "fine"}', "[" * 9999)
    file.write_text("\n".join(strange))
    assert list_runs(tmp_path / "reports", "nightly") == []
    for number in range(KEPT + 5):
        add_run(tmp_path / "reports", JobRun("nightly", "done", number))
    codes = [each.exit_code for each in list_runs(tmp_path / "reports", "nightly")]
    assert codes == list(range(5, KEPT + 5))
    assert len(file.read_text().splitlines()) == KEPT

    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StackctlError, match="is a link"):
        add_run(tmp_path / "reports", JobRun("nightly", "done"))
    assert not (tmp_path / "elsewhere").exists()
