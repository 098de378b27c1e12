"""A command that dies, wherever it stands: users are served, and the next command puts things right."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

import pytest

from orchestrator.engine.values import Container
from orchestrator.errors import GatewayError, Interrupted, LockedError, StackctlError
from orchestrator.events import Recovered
from orchestrator.evidence.audit import Audit
from orchestrator.evidence.interruption import Closed, close_interrupted
from orchestrator.gateway.addresses import AddressTable
from orchestrator.gateway.config import Config
from orchestrator.gateway.lane import Lane, Target
from orchestrator.release.diagnosis import diagnose
from orchestrator.release.observe import Snapshot
from orchestrator.release.phases import UNDO, Phase, Undo
from orchestrator.release.plan import Order
from orchestrator.release.rollout import deploy
from orchestrator.stack.model import Stack
from tests.fakes.apps import App
from tests.fakes.death import BLUE, GREEN, Killed, assert_clean, colors, die, has_switched, kill
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import NOTES, World

if TYPE_CHECKING:
    from pathlib import Path


PHASES: list[Phase] = [
    phase for phase in Phase if phase is not Phase.CONFIGURE
]  # which has a test of its own
FORWARD = {phase for phase in Phase if UNDO[phase] is Undo.FORWARD}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1 from blue."""
    return World(tmp_path).begin()


@pytest.mark.parametrize("moment", ["begin", "end"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_release_that_dies_is_put_right_by_the_next_command(
    world: World, phase: Phase, moment: str
) -> None:
    """What never got traffic is removed, what had got it is finished; `status` says so before."""
    getattr(world, f"on_{moment}")(phase, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    (served,) = world.serving()
    assert served == ("v2" if has_switched(phase, moment) else "v1")
    before = world.status()
    world.events.clear()

    world.up()

    told = [event.text for event in world.events if isinstance(event, Recovered)]
    assert [text for text in told if "the evidence of" not in text] == list(before.recovery)
    closed = (phase, moment) != ("retire", "end")
    assert any("it was interrupted" in text for text in told) or not closed
    assert world.serving() == {served}
    if served == "v1":
        assert colors(world) == dict.fromkeys(BLUE, "running")
    assert world.stored_configs() == (world.house.admin.serving(),) or not closed
    assert_clean(world)


def test_each_service_tells_by_itself_how_far_it_is() -> None:
    """That one service was promoted makes no candidate of another one promoted."""
    blue, green = Target("blue", "v1", 1, "r1"), Target("green", "v2", 1, "r2")
    staged, promoted = Lane(blue).stage(green), Lane(blue).stage(green).promote()
    gateway = Container("g", "shop-gateway", "", "running", {})
    config = Config("0", AddressTable(), "")
    lanes = {"notes": staged, "web": promoted}
    services = {name: {"image": "app", "port": 80} for name in ("notes", "web")}
    stack = Stack.model_validate(
        {"version": 1, "name": "shop", "gateway": {"image": "nginx"}, "services": services}
    )

    seen = Snapshot(gateway=gateway, lanes=lanes, config=config, current="0")
    repairs = diagnose(stack, seen, ()).repairs

    assert {name: repair.lane for name, repair in repairs.items()} == {
        "notes": Lane(blue),
        "web": Lane(green, kept=blue),
    }


def test_a_first_release_that_dies_leaves_nothing(tmp_path: Path) -> None:
    """The next `up` begins anew."""
    world = World(tmp_path)
    world.on_begin(Phase.PREVIEW, lambda: kill(world))
    die(world, world.up)
    assert world.serving() == set()
    assert any("no link leads to it" in text for text in world.status().recovery)
    world.events.clear()
    world.up()
    told = [event.text for event in world.events if isinstance(event, Recovered)]
    assert any("never got any traffic" in text for text in told)
    assert world.serving() == {"v1"}
    assert_clean(world)


def test_a_rollback_after_a_death_goes_back_to_what_users_had(world: World) -> None:
    """Not to the version that a dead release has left, and that never got a user."""
    world.deploy("v2")
    world.on_begin(Phase.GATE, lambda: kill(world))
    die(world, lambda: world.deploy("v3"))

    assert world.rollback().version == "v1"
    assert world.serving() == {"v1"}
    assert_clean(world)


def test_a_gateway_that_does_not_answer_at_once_is_waited_for(world: World) -> None:
    """What is on its disk may not be what users get: here the way back is just about to begin."""
    world.on_begin(Phase.CONFIRM, lambda: tear(world, "ask"))
    die(world, lambda: world.deploy("v2"))
    assert world.serving() == {"v2"}
    world.host.silent = 1

    world.prune()
    assert world.serving() == {"v2"}
    assert_clean(world)


def tear(world: World, method: str) -> None:
    """Let the phase fail, and the command die at this call of its undoing."""
    world.engine.fail(Fault(method, times=ALWAYS, error=Killed))
    raise Interrupted(signal.SIGTERM)


def test_a_gateway_that_never_answers_stops_the_next_release(world: World) -> None:
    """Nobody knows what users get, so nothing is taken from them."""
    world.on_begin(Phase.DRAIN, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.host.silent = 10_000
    world.changes()
    with pytest.raises(GatewayError, match="does not answer"):
        world.deploy("v3")

    assert world.changes() == []


def test_what_another_service_keeps_outlives_a_gateway_that_starts_anew(tmp_path: Path) -> None:
    """A release of one service died; the version before of another one is still there."""
    world = World(tmp_path, services={"notes": dict(NOTES), "web": {**NOTES, "replicas": 1}})
    world.up()
    world.deploy("v2")
    world.on_begin(Phase.DRAIN, lambda: kill(world))
    die(world, lambda: deploy(world.house, Order("web", "v2")))
    world.engine.remove(world.host.box("shop-gateway").id)

    world.up()
    assert world.rollback().version == "v1"
    assert world.host.cut == []


def test_down_closes_the_evidence_of_the_dead(world: World) -> None:
    """What they have left on the engine goes with all the rest."""
    world.on_begin(Phase.GATE, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.take_down()

    told = [event.text for event in world.events if isinstance(event, Recovered)]
    assert [text.endswith("it was interrupted") for text in told] == [True]
    assert {f.state for f in Audit(world.house.releases).check_all()} == {"sound"}
    assert world.states() == {}


def test_a_promoted_version_that_fell_ill_is_taken_back(world: World) -> None:
    """Users get the version before, which still runs."""
    world.on_begin(Phase.DRAIN, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    for name in GREEN:
        world.host.box(f"shop-{name}").app = App(healthy_after=1e9)
    assert any("is not healthy" in text for text in world.status().recovery)
    world.up()
    assert world.serving() == {"v1"}
    assert colors(world) == dict.fromkeys(BLUE, "running")


def test_a_gateway_that_starts_anew_after_a_death_serves_who_was_promoted(world: World) -> None:
    """It was removed by hand, and its volume with it: what runs is what users get."""
    world.on_begin(Phase.DRAIN, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.engine.remove(world.host.box("shop-gateway").id)
    world.up()
    assert world.serving() == {"v2"}
    assert_clean(world)


@pytest.mark.parametrize("phase", PHASES)
def test_a_lost_lock_changes_nothing_more(world: World, phase: Phase) -> None:
    """Somebody else may be at work: what is left over is theirs to put right."""
    phases = PHASES
    if phase is phases[0]:
        world.on_start(world.host.lose_connections)
    else:
        world.on_end(phases[phases.index(phase) - 1], world.host.lose_connections)
    seen: list[str] = []
    world.on_end(phases[phases.index(phase) - 1], lambda: seen.extend(map(str, world.changes())))
    result = world.deploy("v2")
    forward = phase in FORWARD
    assert result.outcome == ("deployed" if forward else "interrupted")
    assert result.exit_code == (0 if forward else 5)
    assert world.changes() == [] or phase is phases[0]
    world.hooks.clear()
    world.up()
    assert_clean(world)


def test_a_lock_that_is_lost_with_the_engine_is_told_as_such(world: World) -> None:
    """The engine restarts in the middle of a phase: exit 5, nothing is undone, the evidence says so."""

    def restart() -> None:
        world.host.lose_connections()
        world.engine.fail(Fault(times=2))  # moving the link is tried twice

    world.on_begin(Phase.PROMOTE, restart)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("interrupted", 5)
    assert result.error is not None
    assert result.error.message.startswith("the Docker Engine does not answer; the lock was lost")
    evidence = world.evidence(result)
    assert evidence["outcome"] == "interrupted"
    assert "the lock was lost" in evidence["warnings"][-1]
    world.hooks.clear()
    world.up()
    assert_clean(world)


def interrupt(number: int) -> NoReturn:
    """Do as the signal handler does."""
    raise Interrupted(number)


def lose_lock_after(world: World, method: str, skip: int = 0) -> None:
    """Let the lock be lost as soon as the engine has done something."""
    world.engine.fail(Fault(method, skip=skip, late=True, error=world.host.lose_connections))


def test_a_lock_that_is_lost_while_a_release_is_undone_ends_that(world: World) -> None:
    """Others may have gone back meanwhile to what it had woken, and users be on it."""
    world.deploy("v2")
    world.on_begin(Phase.CONFIRM, lambda: lose_lock_after(world, "ask"))
    world.on_begin(Phase.CONFIRM, lambda: interrupt(signal.SIGTERM))
    result = world.rollback()

    assert (result.outcome, result.exit_code) == ("interrupted", 5)
    assert colors(world) == dict.fromkeys(BLUE + GREEN, "running")
    assert world.serving() == {"v2"}


def test_a_lock_that_is_lost_while_the_way_is_cleared_ends_the_release(world: World) -> None:
    """What is in the candidate's way may be what users have got back by now."""
    world.notes["keep"] = "running"
    world.deploy("v2")
    world.on_begin(Phase.START, world.host.lose_connections)
    world.changes()
    result = world.deploy("v3")

    assert (result.outcome, result.exit_code) == ("interrupted", 5)
    assert not {name for _, name in world.changes()} & {*BLUE, *GREEN}


@pytest.mark.parametrize("command", ["up", "prune"])
def test_a_lock_that_is_lost_while_things_are_put_right_ends_that(
    world: World, command: str
) -> None:
    """The version before is not stopped: somebody else may have gone back to it."""
    world.on_begin(Phase.DRAIN, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    lose_lock_after(world, "ask")
    with pytest.raises(LockedError):
        getattr(world, command)()

    assert colors(world) == dict.fromkeys(BLUE + GREEN, "running")
    world.up()
    assert_clean(world)


def test_the_record_of_a_release_that_lives_is_left_alone(world: World) -> None:
    """Another stack may keep its evidence in the same folder, and have its own lock."""
    told: list[str] = []

    def look() -> None:
        told.extend(closed.release for closed in close_all(world))

    world.on_begin(Phase.GATE, look)
    assert world.deploy("v2").outcome == "deployed"
    assert told == []


def close_all(world: World) -> list[Closed]:
    """Close what is left of the dead."""
    return list(close_interrupted(world.house.releases, (), None, world.clock))


@pytest.mark.parametrize("torn", [b'{"at":"2030', b"\xff\n", b'{"at":1}\n[]\n', b"[1]\n"])
def test_a_torn_record_is_closed_with_what_is_whole(world: World, torn: bytes) -> None:
    """Its last lines may be cut, or rubbish."""
    world.on_begin(Phase.GATE, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    (folder,) = (
        p.parent
        for p in world.house.releases.glob("*/events.jsonl")
        if not (p.parent / "seal.json").exists()
    )
    for name in ("events.jsonl", "witness.jsonl"):
        with (folder / name).open("ab") as file:
            file.write(torn)
    world.up()
    evidence = world.evidence_of(folder.name)
    assert (evidence["outcome"], evidence["what"]["version"]) == ("interrupted", "v2")
    assert evidence["phases"][-1]["phase"] == "start"
    assert (folder / "report.html").exists()
    assert_clean(world)


def test_a_release_that_died_before_its_first_word_leaves_no_folder(world: World) -> None:
    """There is nothing to tell of it."""
    folder = world.house.releases / "20300101-000000-notes-v5"
    folder.mkdir()
    (folder / "events.jsonl").touch()
    (folder / "witness.jsonl").touch()
    world.up()
    assert not folder.exists()


def test_what_cannot_be_put_right_stops_the_next_release(world: World) -> None:
    """Nothing new begins on a ground that is not clear."""
    world.on_begin(Phase.GATE, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.engine.fail(Fault("remove"))
    with pytest.raises(StackctlError):
        world.deploy("v3")
    assert world.serving() == {"v1"}
    assert world.deploy("v3").outcome == "deployed"
