"""What a release will do, decided from the wish and the snapshot alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.engine.base import Container
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.gateway.render import render
from orchestrator.gateway.routing import Lane, Routing, Target
from orchestrator.release.observe import Replica, Snapshot, to_replica
from orchestrator.release.plan import (
    Order,
    Plan,
    parse_version,
    plan_release,
    plan_route,
    previous_version,
)
from orchestrator.release.specs import replica_specs
from orchestrator.stack import naming
from orchestrator.stack.model import Color, Stack

IMAGE = "sha256:1"
GATEWAY = Container("g", "shop-gateway", IMAGE, "running", {})


def stack(**notes: Any) -> Stack:
    """Return a stack of one service of two replicas."""
    service = {"build": "notes", "port": 8000, "replicas": 2, **notes}
    document = {"version": 1, "name": "shop", "services": {"notes": service}}
    return Stack.model_validate({**document, "gateway": {"image": "nginx:1.30"}})


def color(
    name: Color, version: str, state: str = "running", of: Stack | None = None, image: str = IMAGE
) -> tuple[Replica, ...]:
    """Return the replicas of one color as an earlier release has left them."""
    specs = replica_specs(of or stack(), "notes", Target(name, version, 2, "earlier"), image, {})
    found = (
        to_replica(Container(spec.name, spec.name, image, state, spec.labels)) for spec in specs
    )
    return tuple(replica for replica in found if replica)


def snapshot(*replicas: Replica, live: Color | None = "blue", version: str = "v1") -> Snapshot:
    """Return a stack whose gateway runs and serves a version from a color."""
    lane = Lane(Target(live, version, 2, "earlier")) if live else Lane()
    routing = Routing("earlier.retire", {"notes": lane})
    config = render(stack(), routing)
    return Snapshot(
        tuple(replicas), gateway=GATEWAY, routing=routing, current=routing, config=config
    )


def plan(
    seen: Snapshot,
    version: str = "v2",
    command: str = "deploy",
    of: Stack | None = None,
    image: str = IMAGE,
) -> Plan:
    """Return the plan of a release."""
    wanted = of or stack()
    route = plan_route(wanted, seen, Order("notes", version, command), "now")
    return plan_release(wanted, seen, route, image, {})


def lanes(plan: Plan) -> list[tuple[str | None, str | None]]:
    """Return the versions that each config of a plan has as active and as preview."""
    configs = (plan.base, plan.staged, plan.promoted, plan.retired)
    found = [config.routing.lane("notes") for config in configs]
    return [
        (
            lane.active.version if lane.active else None,
            lane.previewed.version if lane.previewed else None,
        )
        for lane in found
    ]


def test_a_first_release_takes_blue_and_replaces_nobody() -> None:
    """Where nothing serves, blue is the candidate and there is no previous version."""
    made = plan(snapshot(live=None), "v1")

    assert made.replicas == ("shop-notes-blue-1", "shop-notes-blue-2")
    assert (made.previous, made.outgoing, made.clear, made.unchanged) == (None, (), (), False)
    assert lanes(made) == [(None, None), (None, "v1"), ("v1", None), ("v1", None)]


def test_a_deploy_takes_the_other_color_and_moves_the_traffic_in_two_steps() -> None:
    """First the candidate is a preview only, then the two change places, then one is left."""
    live = color("blue", "v1")
    made = plan(snapshot(*live))

    assert made.candidate.color == "green"
    assert made.outgoing == live
    assert lanes(made) == [("v1", None), ("v1", "v2"), ("v2", "v1"), ("v2", None)]


def test_every_container_of_a_release_carries_its_name_and_the_image_id() -> None:
    """So that a failed release finds its own containers, and only those."""
    made = plan(snapshot(*color("blue", "v1")), image="sha256:2")

    assert {spec.labels[naming.RELEASE] for spec in made.start} == {"now"}
    assert {spec.image for spec in made.start} == {"sha256:2"}


def test_a_config_of_the_plan_is_rendered_from_the_stack() -> None:
    """What is shown as the plan is word for word what NGINX will get."""
    made = plan(snapshot(*color("blue", "v1")))

    assert made.promoted.text == render(stack(), made.promoted.routing)
    assert made.promoted.routing.id == "now.promote"


def test_the_version_that_serves_as_wanted_needs_no_release() -> None:
    """Same version, same containers, same config: unchanged."""
    assert plan(snapshot(*color("blue", "v1")), "v1").unchanged


@pytest.mark.parametrize(
    ("wanted", "image"),
    [
        (stack(env={"DEBUG": "1"}), IMAGE),
        (stack(replicas=3), IMAGE),
        (stack(routes=[{"path": "/notes/"}]), IMAGE),
        (stack(resources={"memory": "64m"}), IMAGE),
        (stack(), "sha256:built anew"),
    ],
    ids=["environment", "replicas", "routes", "memory", "image"],
)
def test_whatever_makes_a_container_or_the_config_other_is_a_change(
    wanted: Stack, image: str
) -> None:
    """The same version is released again when anything behind it differs."""
    assert not plan(snapshot(*color("blue", "v1")), "v1", of=wanted, image=image).unchanged


def test_a_replica_that_does_not_run_is_a_change() -> None:
    """A version that serves with fewer containers than wanted is released again."""
    first, second = color("blue", "v1")
    stopped = replace(second, container=replace(second.container, state="exited"))

    assert not plan(snapshot(first, stopped), "v1").unchanged
    assert not plan(snapshot(first), "v1").unchanged


def test_another_version_is_a_change() -> None:
    """However equal the containers are."""
    assert not plan(snapshot(*color("blue", "v1")), "v2").unchanged


@pytest.mark.parametrize("state", ["running", "exited", "created"])
def test_leftovers_in_the_candidates_color_are_cleared(state: str) -> None:
    """Whatever a crash or an earlier version has left there goes first."""
    left = color("green", "v0", state)
    made = plan(snapshot(*color("blue", "v1"), *left))

    assert made.clear == left
    assert made.wake == ()


def test_a_deploy_never_wakes_kept_containers_even_of_its_own_version() -> None:
    """Deploying makes new ones; only a rollback goes back to what was."""
    kept = color("green", "v2", "exited")
    made = plan(snapshot(*color("blue", "v1"), *kept))

    assert (made.wake, made.clear, len(made.start)) == ((), kept, 2)


def test_a_rollback_wakes_what_was_kept() -> None:
    """The very containers that served before serve again; nothing is made or cleared."""
    kept = color("green", "v0", "exited")
    made = plan(snapshot(*color("blue", "v1"), *kept), "v0", "rollback")

    assert (made.wake, made.start, made.clear) == (kept, (), ())
    assert made.replicas == ("shop-notes-green-1", "shop-notes-green-2")


@pytest.mark.parametrize(
    "kept",
    [(), color("green", "v0", "exited")[:1], color("green", "v9", "exited")],
    ids=["removed", "other count", "other version"],
)
def test_a_rollback_makes_new_containers_where_the_kept_ones_do_not_fit(
    kept: tuple[Replica, ...],
) -> None:
    """Too few, none or of another version: they are cleared and made again."""
    made = plan(snapshot(*color("blue", "v1"), *kept), "v0", "rollback")

    assert (made.wake, made.clear, len(made.start)) == ((), kept, 2)


def test_a_service_of_another_name_is_left_alone() -> None:
    """The lanes of other services are in every config of a release, unchanged."""
    seen = snapshot(*color("blue", "v1"))
    assert seen.routing is not None
    other = Lane(Target("green", "v7", 1, "before"))
    routing = replace(seen.routing, lanes={**seen.routing.lanes, "web": other})
    made = plan(replace(seen, routing=routing))

    assert {c.routing.lane("web") for c in (made.staged, made.promoted, made.retired)} == {other}


@pytest.mark.parametrize(
    "seen",
    [
        Snapshot(),
        replace(snapshot(), gateway=replace(GATEWAY, state="exited")),
        replace(snapshot(), routing=None),
    ],
    ids=["absent", "stopped", "silent"],
)
def test_without_a_gateway_there_is_no_release(seen: Snapshot) -> None:
    """The error says how to bring it up."""
    with pytest.raises(StackctlError, match="the gateway of `shop` does not run") as caught:
        plan(seen)

    assert caught.value.hint == "bring the stack up: `stackctl up`"


def test_the_previous_version_is_the_one_in_the_other_color() -> None:
    """That is where a rollback without a name goes."""
    assert previous_version(snapshot(*color("blue", "v1"), *color("green", "v0")), "notes") == "v0"


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (snapshot(live=None), "has no active version"),
        (snapshot(*color("blue", "v1")), "no previous version of `notes` is kept"),
    ],
)
def test_a_rollback_to_nowhere_is_refused(seen: Snapshot, message: str) -> None:
    """Where nothing serves, or nothing was kept, the error says what can be done."""
    with pytest.raises(StackctlError, match=message) as caught:
        previous_version(seen, "notes")

    assert caught.value.hint


@pytest.mark.parametrize("text", ["v1", "2024.1.0", "1_0-rc.1", "a" * 128])
def test_a_version_is_what_an_image_tag_may_be(text: str) -> None:
    """Letters, digits, dots, dashes and underlines."""
    assert parse_version(text) == text


@pytest.mark.parametrize("text", ["", "-v", ".v", "a b", "v1;", "v/1", "ü", "a" * 129, "v1\n"])
def test_anything_else_is_no_version(text: str) -> None:
    """It would have to be quoted somewhere, so it is refused."""
    with pytest.raises(ConfigurationError):
        parse_version(text)
