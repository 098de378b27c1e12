"""Units: a service and those that go with it have one version, whatever comes between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigurationError, Interrupted
from orchestrator.events import Warned
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.phases import Phase
from orchestrator.release.plan import Order
from orchestrator.release.rollout import deploy, rollback
from orchestrator.wording import summarize
from tests.fakes.apps import App
from tests.fakes.death import die, kill
from tests.fakes.faults import Fault
from tests.fakes.units import UNIT, UnitWorld

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.release.house import House
    from orchestrator.release.result import Result


@pytest.fixture
def world(tmp_path: Path) -> UnitWorld:
    """Return a stack whose unit is at v1."""
    return UnitWorld(tmp_path).begin()


def tell(result: Result) -> list[tuple[str, str, str]]:
    """Return what each release of a unit was, in their order."""
    return [(one.service, one.version, one.outcome) for one in result.members]


def interrupt() -> None:
    """Do as Ctrl-C does."""
    raise Interrupted(2)


def test_up_brings_all_members_to_one_version(world: UnitWorld) -> None:
    """Who takes others along comes first, wherever it stands in stack.yaml."""
    assert world.find_version() == "v1"
    assert world.status().drift == ()
    assert [result.outcome for result in world.up().services] == ["unchanged"] * 3


def test_a_deploy_takes_the_others_along(world: UnitWorld) -> None:
    """In the order of `with`, each with evidence of its own."""
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code, result.service) == ("deployed", 0, "notes")
    assert tell(result) == [(name, "v2", "deployed") for name in UNIT]
    assert world.find_version() == "v2"
    assert len({one.evidence for one in result.members}) == 3
    assert result.evidence == result.members[0].evidence
    assert result.runs == dict.fromkeys(UNIT, "v2")
    assert [member["service"] for member in result.facts()["members"]] == [*UNIT]  # type: ignore[attr-defined]
    said = summarize(result).splitlines()
    assert [line.split(" serves")[0] for line in said if "serves" in line] == [
        *("notes v2", "with jobs v2", "with clock v2")
    ]


def test_an_image_that_members_share_is_built_once(world: UnitWorld) -> None:
    """What is built apart is built too, and both before anybody is switched."""
    seen: list[list[tuple[str, str]]] = []
    world.on_phase_of("notes", Phase.BUILD, "end", lambda: seen.append(world.changes()))
    world.deploy("v2")

    assert seen == [[("build", "notes:v2"), ("build", "clock:v2")]]
    assert not [what for what, _ in world.changes() if what == "build"]


def test_an_image_that_cannot_be_built_stops_the_unit_before_it_begins(world: UnitWorld) -> None:
    """Nobody has been switched."""
    (world.folder / "clock" / "Dockerfile").write_text("FROM python:3.13-slim\nRUN false\n")
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert tell(result) == [("notes", "v2", "reverted")]
    assert result.error is not None
    assert "shop-clock:v2" in result.error.message
    assert {what for what, _ in world.changes()} == {"build"}
    assert world.find_version() == "v1"


def test_a_companion_that_lacks_something_stops_the_unit_before_it_begins(world: UnitWorld) -> None:
    """An image that is not there, or a network of others."""
    result = deploy(world.house, Order("notes", "v7", build=False))
    assert result.error is not None
    assert "there is no image `shop-notes:v7`" in result.error.message
    world.document["services"]["clock"]["networks"] = ["elsewhere"]
    result = world.deploy("v2")
    assert result.error is not None
    assert "services.clock.networks.0: there is no such network" in result.error.message
    assert world.changes() == []


@pytest.mark.parametrize("failing", ["jobs", "clock"])
def test_where_one_fails_all_go_back(world: UnitWorld, failing: str) -> None:
    """The last one first; each says why in its evidence, and the command ends with the first error."""
    world.host.apps[failing] = App(crashes=True)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert f"shop-{failing}-green-1" in result.error.message
    before = UNIT[: UNIT.index(failing)]
    assert tell(result) == [
        *((name, "v2", "deployed") for name in before),
        (failing, "v2", "reverted"),
        *((name, "v1", "deployed") for name in reversed(before)),
    ]
    assert world.find_version() == "v1"
    assert world.status().drift == ()
    for one in result.members[len(before) + 1 :]:
        told = f"{one.service} goes back to v1, since {failing} v2 was not released"
        assert told in world.evidence(one)["warnings"][0]
    assert "notes v2 not released" in summarize(result)
    assert "users still have v1" in summarize(result)


def test_a_version_that_was_gone_back_from_is_no_version_to_roll_back_to(world: UnitWorld) -> None:
    """It is the one before both, which those keep that were not promoted."""
    world.deploy("v2")
    world.host.apps["clock"] = App(crashes=True)
    result = world.deploy("v3")
    assert result.outcome == "reverted"
    assert [line.split(",")[0] for line in summarize(result).splitlines()[-3:]] == [
        *("clock v3 not released", "jobs v2 serves (was v3)", "notes v2 serves (was v3)")
    ]
    services = {service.name: service for service in world.status().services}
    assert (services["notes"].previous, services["jobs"].previous) == (None, None)

    del world.host.apps["clock"]
    assert world.rollback().version == "v1"
    assert world.find_version() == "v1"


def test_where_the_leader_fails_nobody_else_is_touched(world: UnitWorld) -> None:
    """It ends as a release of its own does."""
    world.host.apps["shop-notes:v2"] = App(healthy_after=99)
    result = world.deploy("v2")

    assert tell(result) == [("notes", "v2", "reverted")]
    assert world.find_version() == "v1"
    done = [change for change in world.changes() if change[0] != "build"]
    assert not [name for _, name in done if name.startswith(("jobs", "clock"))]


def test_a_rollback_takes_the_others_along(world: UnitWorld) -> None:
    """To what each keeps, or to a version that is named."""
    world.deploy("v2")
    world.changes()
    assert tell(world.rollback()) == [(name, "v1", "deployed") for name in UNIT]
    assert not [name for what, name in world.changes() if what == "create"]
    assert world.find_version() == "v1"
    world.deploy("v3")
    assert world.rollback("v2").outcome == "deployed"
    assert world.find_version() == "v2"


def test_nothing_kept_is_no_hindrance(world: UnitWorld) -> None:
    """With `keep: removed` who goes back is made from its image again."""
    for name in UNIT:
        world.document["services"][name]["keep"] = "removed"
    world.host.apps["clock"] = App(crashes=True)
    assert world.deploy("v2").outcome == "reverted"
    assert world.find_version() == "v1"


@pytest.mark.parametrize(
    "act",
    [
        lambda house: deploy(house, Order("jobs", "v2")),
        lambda house: rollback(house, "jobs"),
        lambda house: forecast(house, "jobs", "v2"),
    ],
    ids=["deploy", "rollback", "plan"],
)
def test_a_companion_is_not_released_by_its_own_name(
    world: UnitWorld, act: Callable[[House], object]
) -> None:
    """The hint names the one that takes it along."""
    with pytest.raises(ConfigurationError) as raised:
        act(world.house)
    assert raised.value.message == "`jobs` is released together with `notes`, whose `with` names it"
    assert raised.value.hint == "name that one: `notes` in place of `jobs`"


def test_who_has_the_version_already_stays_as_it_is(world: UnitWorld) -> None:
    """A second deploy changes nothing."""
    world.deploy("v2")
    world.changes()
    result = world.deploy("v2")
    assert (result.outcome, result.exit_code) == ("unchanged", 0)
    assert {what for what, _ in world.changes()} == {"build"}


def test_a_companion_that_is_new_gets_its_leaders_version(world: UnitWorld) -> None:
    """`up` releases it from the leader's image, which is there: nothing is built."""
    world.deploy("v2")
    world.changes()
    services = world.document["services"]
    services["mails"] = {**services["jobs"], "command": ["mails"]}
    services["notes"]["with"] = ["jobs", "clock", "mails"]
    world.up()
    assert world.at_work("mails") == {"v2"}
    assert not [what for what, _ in world.changes() if what == "build"]


def test_status_and_plan_show_members_at_two_versions(world: UnitWorld) -> None:
    """And what brings them together."""
    world.on_phase_of("jobs", Phase.GATE, "begin", lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.prune()

    assert world.lanes() == {"notes": "v2", "jobs": "v1", "clock": "v1"}
    assert world.status().drift == tuple(
        f"service `{name}` has v1, and `notes`, with which it goes, v2: `stackctl up` brings it to v2"
        for name in ("jobs", "clock")
    )
    found = {one.service: one for one in forecast(world.house, None, None).services}
    assert {name: (one.previous, one.version) for name, one in found.items()} == {
        **dict.fromkeys(("jobs", "clock"), ("v1", "v2")),
        "notes": ("v2", "v2"),
    }
    assert found["jobs"].steps[0].startswith("start")  # its image is there
    world.up()
    assert world.find_version() == "v2"
    assert world.status().drift == ()


def test_up_leads_back_what_cannot_be_brought_to_an_end(world: UnitWorld) -> None:
    """A companion that fails again takes its leader back to the version that it has itself."""
    world.on_phase_of("jobs", Phase.GATE, "begin", lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.host.apps["jobs"] = App(crashes=True)
    assert world.up().exit_code == 1
    assert world.find_version() == "v1"


def test_a_second_deploy_leads_back_too(world: UnitWorld) -> None:
    """The leader has the version already; its companion fails again."""
    world.on_phase_of("jobs", Phase.GATE, "begin", lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.host.apps["jobs"] = App(crashes=True)
    result = world.deploy("v2")
    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert world.find_version() == "v1"


def test_a_signal_in_between_takes_all_back(world: UnitWorld) -> None:
    """As it does in a release of its own before the switch."""
    world.on_phase_of("jobs", Phase.GATE, "begin", interrupt)
    result = world.deploy("v2")
    assert (result.outcome, result.exit_code) == ("reverted", 130)
    assert world.find_version() == "v1"


def test_a_leader_that_cannot_go_back_is_told_of(world: UnitWorld) -> None:
    """Nothing says that it was taken back; the next `up` goes on."""
    world.host.apps["jobs"] = App(crashes=True)
    world.hooks.append(
        lambda event: (
            world.engine.fail(Fault("start", on="notes-blue", times=9))
            if isinstance(event, Warned) and "goes back" in event.text
            else None
        )
    )
    result = world.deploy("v2")
    assert (result.outcome, result.exit_code) == ("interrupted", 1)
    assert result.runs == {"notes": "v2", "jobs": "v1", "clock": "v1"}
    assert "not whole: notes has v2, jobs has v1, clock has v1" in summarize(result)
    world.hooks.clear()
    world.engine.faults.clear()
    del world.host.apps["jobs"]
    world.up()
    assert world.find_version() == "v2"
