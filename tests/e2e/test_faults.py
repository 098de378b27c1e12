"""A slice of the fault suite: `make faults` does all of it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from orchestrator.drill.belongings import name_copy
from orchestrator.drill.boundary import list_boundaries, parse_boundary
from orchestrator.drill.faults import Case
from orchestrator.drill.verdict import find_problems
from orchestrator.release.phases import Phase
from tests.faults import stories
from tests.faults.acts import MATRIX
from tests.faults.matrix import small_disk
from tests.faults.site import choose_exercise, open_site, somebody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.drill.boundary import Boundary
    from orchestrator.drill.exercise import Exercise
    from orchestrator.drill.verdict import Observation
    from tests.e2e.operator import Operator

pytestmark = [
    pytest.mark.xdist_group("faults"),
    pytest.mark.skipif(os.geteuid() != 0, reason="to kill what runs in containers takes root"),
]
BY_KEY = {fault.key: fault for fault in MATRIX}
KILLED = [
    boundary
    for boundary in list_boundaries("deploy", migrates=True)
    if boundary.phase in (Phase.START, Phase.PROMOTE, Phase.DRAIN)
]
PICKED = [
    ("deploy", "after promote", "interrupt"),
    ("deploy", "after gate", "candidate-crash"),
    ("deploy", "after start", "replica-crash"),
    ("deploy", "after preview", "gateway-crash"),
    ("deploy", "after confirm", "gateway-stop"),
    ("deploy", "after start", "disk"),
    ("rollback", "after promote", "kill"),
]


@pytest.fixture(scope="module")
def exercise() -> Iterator[Exercise]:
    """Give a stack whose releases may be struck."""
    with somebody() as operator, small_disk(operator.folder / "reports"):
        yield choose_exercise(open_site(operator), "deploy")


@pytest.fixture(scope="module")
def released() -> Iterator[Operator]:
    """Somebody whose users have v1."""
    with somebody() as operator:
        operator.up()
        yield operator


def insist_on_survival(seen: Observation) -> None:
    """Fail with all that was not as it was promised."""
    assert list(find_problems(seen)) == [], seen


@pytest.mark.parametrize("boundary", KILLED, ids=str)
def test_a_killed_deploy_costs_no_request_and_the_next_command_puts_it_right(
    exercise: Exercise, boundary: Boundary
) -> None:
    """Wherever it dies: users keep being served, its evidence is closed, nothing is left."""
    seen = exercise.run(Case("deploy", boundary, BY_KEY["kill"]))
    insist_on_survival(seen)
    assert seen.evidence == "interrupted"


@pytest.mark.parametrize(("command", "boundary", "key"), PICKED)
def test_a_struck_release_does_what_it_promised(
    exercise: Exercise, command: str, boundary: str, key: str
) -> None:
    """One fault of each kind, at one boundary."""
    insist_on_survival(exercise.run(Case(command, parse_boundary(boundary), BY_KEY[key])))


@pytest.mark.parametrize(
    "story",
    [stories.nginx_refuses, stories.falls_ill, stories.ignores_sigterm, stories.shape_changes],
)
def test_a_story_ends_well(released: Operator, story: stories.Story) -> None:
    """A version or a config that behaves badly costs nobody a request."""
    if released.serving() != "v1":
        released.deploy("v1")
    account = story(released)
    assert account.sent > 0
    assert account.problems == (), account


def test_an_upload_across_the_switch_ends_where_it_began(released: Operator) -> None:
    """The old version waits for it."""
    if released.serving() != "v1":
        released.deploy("v1")
    account = stories.upload_is_slow(released, 2.5)
    assert account.problems == (), account


def test_a_drill_tells_what_users_noticed_and_leaves_nothing(released: Operator) -> None:
    """On a copy with another name and other ports, which is gone afterwards."""
    before = released.containers(running=False)
    done = released.run("drill", "app", "--fault", "kill", "--at", "gate", "--output", "json")

    assert done.code == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["survived"], document["faults"]) == (1, 1)
    (case,) = document["cases"]
    assert (case["fault"], case["boundary"], case["problems"]) == ("kill", "after gate", [])
    assert case["requests"]["sent"] > 0
    assert f"`{name_copy(released.name)}` is removed: " in done.stderr
    assert case["put_right"]
    assert released.containers(running=False) == before
    label = {"label": f"io.stackctl.stack={name_copy(released.name)}"}
    assert released.engine.containers(all=True, filters=label) == []
    assert released.engine.volumes(filters=label)["Volumes"] in (None, [])
