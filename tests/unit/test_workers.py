"""Workers: services without a port. The old version stops only once the new one has proven itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.events import Probed
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.phases import Phase
from orchestrator.stack import naming
from tests.fakes.apps import App
from tests.fakes.death import colors
from tests.fakes.faults import Fault
from tests.fakes.workers import WorkerWorld

if TYPE_CHECKING:
    from pathlib import Path

BLUE = {"notes-blue-1": "running", "notes-blue-2": "running"}
GREEN = {"notes-green-1": "running", "notes-green-2": "running"}
STOPPED = dict.fromkeys(BLUE, "exited")


@pytest.fixture
def world(tmp_path: Path) -> WorkerWorld:
    """Return a stack whose worker v1 runs, in blue."""
    return WorkerWorld(tmp_path).begin()


def test_a_worker_is_released_and_the_version_before_is_kept(world: WorkerWorld) -> None:
    """Its lane tells who works, as that of any service does."""
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code, result.error) == ("deployed", 0, None)
    assert colors(world) == {**STOPPED, **GREEN}
    (service,) = world.status().services
    assert service.active is not None
    assert (service.active.version, service.active.healthy, service.active.wanted) == ("v2", 2, 2)
    assert service.previous is not None
    assert (service.previous.version, service.previous.healthy) == ("v1", 0)
    assert world.status().drift == ()


def test_the_old_version_stops_once_the_new_one_is_gated(world: WorkerWorld) -> None:
    """Before, it is not touched; there is never a moment in which nobody works."""
    seen: list[dict[str, str]] = []
    for phase in (Phase.GATE, Phase.PREVIEW, Phase.PROMOTE, Phase.CONFIRM):
        world.on_end(phase, lambda: seen.append(colors(world)))
    world.deploy("v2")

    assert seen == [{**BLUE, **GREEN, "lock": "running"}] * 4
    done = [change for change in world.changes() if "blue" in change[1]]
    assert done[:2] == [("unpersist", "notes-blue-1"), ("stop", "notes-blue-1")]


def test_nginx_knows_no_address_of_a_worker(world: WorkerWorld) -> None:
    """It is listed, so that its lane is read, and nothing leads to it."""
    assert world.host.nginx is not None
    assert "upstream notes" not in world.host.nginx.text
    assert world.house.admin.lanes().keys() == {"notes"}
    box = world.host.box("shop-notes-blue-1")
    assert box.spec.address is None
    assert not {naming.ADDRESS, naming.PORT} & box.spec.labels.keys()


def test_a_release_of_a_worker_needs_no_other_config(world: WorkerWorld) -> None:
    """Nor a reload."""
    result = world.deploy("v2")
    assert "configure" not in result.seconds
    assert "drain" not in result.seconds
    assert ("signal", "gateway") not in world.changes()


def test_the_gate_lasts_as_long_as_a_worker_has_to_run(world: WorkerWorld) -> None:
    """And each replica is told of."""
    world.notes["health"] = {"steady": "7s"}
    result = world.deploy("v2")
    assert 7 <= result.seconds["gate"] < 8
    probed = [event for event in world.events if isinstance(event, Probed)]
    assert [(probe.healthy, probe.ms) for probe in probed] == [(True, 7000.0)] * 2


def test_a_command_says_when_a_worker_is_ready(world: WorkerWorld) -> None:
    """The engine runs it, as it does for accessories."""
    world.notes["health"] = {"command": ["ready"], "deadline": "9s"}
    world.host.apps["v2"] = App(healthy_after=3.0)
    result = world.deploy("v2")

    assert result.outcome == "deployed"
    assert 3 <= result.seconds["gate"] < 4
    spec = world.host.box("shop-notes-green-1").spec
    assert spec.health is not None
    assert (spec.health.argv, spec.health.interval, spec.health.timeout) == (("ready",), 1.0, 5.0)


@pytest.mark.parametrize(
    ("health", "app", "words"),
    [
        ({"steady": "1s"}, App(crashes=True), "did not go on running: it ended with exit code 1"),
        ({"steady": "1s"}, App(ends=0), "did not go on running: it ended by itself"),
        ({"command": ["ready"]}, App(crashes=True), "did not go on running"),
        (
            {"command": ["ready"], "deadline": "4s"},
            App(healthy_after=99),
            "`shop-notes-green-1`, `shop-notes-green-2` did not get healthy within 4 s",
        ),
    ],
)
def test_a_candidate_that_is_no_good_leaves_the_old_one_at_work(
    world: WorkerWorld, health: dict[str, object], app: App, words: str
) -> None:
    """It is never stopped, and the candidate goes."""
    world.notes["health"] = health
    world.host.apps["v2"] = app
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert words in result.error.message
    assert result.error.hint
    assert "shop-notes-green-1" in result.logs
    assert colors(world) == BLUE
    assert not {name for what, name in world.changes() if what != "build"} & BLUE.keys()


def test_a_worker_that_ends_during_its_gate_is_no_good(world: WorkerWorld) -> None:
    """However well it began."""
    world.on_begin(Phase.GATE, lambda: world.host.end("stop", world.host.box("shop-notes-green-2")))
    result = world.deploy("v2")

    assert result.outcome == "reverted"
    assert colors(world) == BLUE


def test_a_worker_that_ends_after_its_gate_is_no_good(world: WorkerWorld) -> None:
    """The last look is just before the switch."""
    world.on_begin(
        Phase.PREVIEW, lambda: world.host.end("stop", world.host.box("shop-notes-green-2"))
    )
    result = world.deploy("v2")

    assert (result.outcome, world.evidence(result)["failure"]["phase"]) == ("reverted", "preview")
    assert colors(world) == BLUE


def test_a_candidate_may_end_the_job_that_it_has_taken_on(world: WorkerWorld) -> None:
    """It shared the work with the old version: it is asked to stop before it is removed."""
    world.notes["health"] = {"command": ["ready"], "deadline": "2s"}
    world.host.apps["v2"] = App(healthy_after=99)
    world.deploy("v2")

    done = [what for what, name in world.changes() if name == "notes-green-1"]
    assert done == ["create", "start", "stop", "remove"]


def test_an_old_version_that_cannot_be_stopped_is_told_of(world: WorkerWorld) -> None:
    """Two work then; the warning says what ends that, and it does."""
    world.on_begin(Phase.RETIRE, lambda: world.engine.fail(Fault("stop", times=2)))
    result = world.deploy("v2")
    assert (result.outcome, result.exit_code) == ("deployed", 0)
    assert result.warnings[0].endswith("may work on beside it: `stackctl up` stops it")
    assert world.serving() == {"v1", "v2"}
    world.hooks.clear()
    world.up()
    assert world.serving() == {"v2"}


def test_a_rollback_wakes_the_worker_before(world: WorkerWorld) -> None:
    """Through the same gate; what it replaces is kept in turn, and does not run."""
    world.deploy("v2")
    world.changes()
    result = world.rollback()

    assert (result.outcome, result.version) == ("deployed", "v1")
    assert colors(world) == {**BLUE, **dict.fromkeys(GREEN, "exited")}
    assert not {what for what, _ in world.changes()} & {"create", "build"}
    assert world.rollback().version == "v2"


def test_a_worker_that_has_exited_is_put_right_by_up(world: WorkerWorld) -> None:
    """And `status` says before that it does not run."""
    for name in BLUE:
        world.host.end("stop", world.host.box(f"shop-{name}"))
    status = world.status()
    assert status.services[0].active is not None
    assert status.services[0].active.healthy == 0
    assert status.drift == ("service `notes` runs 0 of 2 replicas",)

    assert world.up().exit_code == 0
    assert world.serving() == {"v1"}
    assert world.status().drift == ()


def test_up_brings_back_a_worker_of_which_nothing_is_left(world: WorkerWorld) -> None:
    """At the version that its lane names, not at the one that stack.yaml begins with."""
    world.deploy("v2")
    for name in [*BLUE, *GREEN]:
        world.engine.remove(f"shop-{name}")
    world.up()
    assert world.serving() == {"v2"}


def test_other_settings_of_a_worker_are_drift_and_up_releases_it(world: WorkerWorld) -> None:
    """As with any service."""
    world.notes["env"] = {"QUEUE": "mails"}
    assert world.status().drift == ("service `notes` runs with other settings than stack.yaml has",)
    assert [result.outcome for result in world.up().services] == ["deployed"]
    assert world.status().drift == ()
    assert [result.outcome for result in world.up().services] == ["unchanged"]


def test_the_evidence_of_a_worker_claims_no_request(world: WorkerWorld) -> None:
    """It has none, so none was witnessed: that proves nothing, and is not said to."""
    evidence = world.evidence(world.deploy("v2"))
    assert evidence["verdict"] == {
        "lossless": None,
        "text": "no request was witnessed: a worker answers none",
    }
    assert evidence["traffic"] is None
    assert "gaps" not in evidence


def test_the_plan_of_a_worker_tells_of_no_users(world: WorkerWorld) -> None:
    """What is shown is what is run."""
    (found,) = forecast(world.house, "notes", "v2").services
    texts = [step for step in found.steps if not step.startswith(("build", "migrate"))]
    assert texts == [
        "start: start shop-notes-green-1",
        "start: start shop-notes-green-2",
        "gate: each runs for 1 s without an end",
        "preview: every replica still runs",
        "promote: move the link to green: no reload",
        "confirm: the link says so",
        "retire: blue: stopped",
    ]


def test_a_service_may_become_a_worker_and_a_service_again(world: WorkerWorld) -> None:
    """Its addresses are given back, and given out again; nobody is cut off."""
    world.notes.pop("health")
    world.notes["port"] = 8000
    assert world.up().exit_code == 0
    assert world.host.nginx is not None
    assert len(world.host.nginx.serving("notes")) == 2
    world.notes.pop("port")
    world.notes["health"] = {"steady": "1s"}
    assert world.up().exit_code == 0
    assert world.host.nginx is not None
    assert world.host.nginx.serving("notes") == []
    assert world.serving() == {"v1"}
    assert world.status().drift == ()
    assert world.host.cut == []


def test_a_worker_that_is_new_in_stack_yaml_gets_its_lane(world: WorkerWorld) -> None:
    """By `up`, or by its own first release."""
    world.document["services"]["mails"] = {"build": "notes", "health": {"steady": "1s"}}
    assert world.up().exit_code == 0
    assert world.house.admin.lanes().keys() == {"notes", "mails"}
    assert world.status().drift == ()


def test_down_and_prune_take_a_worker_as_any_service(world: WorkerWorld) -> None:
    """What stack.yaml does not have any more goes; so does all of it."""
    world.document["services"]["mails"] = {"build": "notes", "health": {"steady": "1s"}}
    world.up()
    del world.document["services"]["mails"]
    world.up()
    assert world.prune().containers == ("shop-mails-blue-1",)
    world.take_down()
    assert world.states() == {}
