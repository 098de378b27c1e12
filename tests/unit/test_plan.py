"""What a release will do, decided from the wish and the snapshot alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.engine.values import Container, ContainerSpec, Network
from orchestrator.errors import ConfigurationError, EngineError, StackctlError
from orchestrator.gateway.addresses import AddressTable, fit_table
from orchestrator.gateway.config import Earlier, Newer
from orchestrator.gateway.lane import Lane, Target
from orchestrator.gateway.render import render
from orchestrator.release.description import describe
from orchestrator.release.observe import Snapshot
from orchestrator.release.phases import Phase
from orchestrator.release.plan import Order, Plan, plan_release
from orchestrator.release.provision import NOTHING
from orchestrator.release.replica import Replica, to_replica
from orchestrator.release.specs import replica_specs
from orchestrator.release.version import parse_version, previous_version
from orchestrator.stack import naming
from orchestrator.stack.model import Color, Stack

IMAGE = "sha256:1"
GATEWAY = Container("g", "shop-gateway", IMAGE, "running", {})


def stack(**notes: Any) -> Stack:
    """Return a stack of one service of two replicas."""
    service = {"build": "notes", "port": 8000, "replicas": 2, **notes}
    document = {"version": 1, "name": "shop", "services": {"notes": service}}
    return Stack.model_validate({**document, "gateway": {"image": "nginx:1.30"}})


POOL = [f"10.10.0.{number}" for number in range(1, 100)]
NETWORK = Network(
    "shop-net",
    {},
    internal=False,
    subnet="10.10.0.0/24",
    pool="10.10.0.192/26",
    gateway="10.10.0.254",
)
TABLE = fit_table(AddressTable(), stack(), POOL, ())


def color(
    name: Color, version: str, state: str = "running", of: Stack | None = None, image: str = IMAGE
) -> tuple[Replica, ...]:
    """Return the replicas of one color as an earlier release has left them."""
    target = Target(name, version, 2, "earlier")
    upstream = TABLE.require("notes", name)
    specs = replica_specs(of or stack(), "notes", target, image, NOTHING, upstream)
    found = (
        to_replica(
            Container(
                spec.name,
                spec.name,
                image,
                state,
                spec.labels,
                addresses={NETWORK.name: spec.address or ""},
            )
        )
        for spec in specs
    )
    return tuple(replica for replica in found if replica)


def snapshot(*replicas: Replica, live: Color | None = "blue", version: str = "v1") -> Snapshot:
    """Return a stack whose gateway runs and serves a version from a color."""
    lanes = {"notes": Lane(Target(live, version, 2, "earlier"))} if live else {}
    config = render(stack(), TABLE)
    return Snapshot(
        tuple(replicas),
        gateway=GATEWAY,
        network=NETWORK,
        lanes=lanes,
        config=config,
        current=config.id,
    )


def plan(
    seen: Snapshot,
    version: str = "v2",
    command: str = "deploy",
    of: Stack | None = None,
    image: str = IMAGE,
) -> Plan:
    """Return the plan of a release."""
    return plan_release(
        of or stack(), seen, Order("notes", version, command), "now", image, NOTHING
    )


def lanes(plan: Plan) -> list[tuple[str | None, ...]]:
    """Return who is active, candidate, outgoing and kept, from step to step of a plan."""
    return [
        tuple(
            target.version if target else None
            for target in (lane.active, lane.candidate, lane.outgoing, lane.kept)
        )
        for lane in (plan.lane, plan.staged, plan.promoted, plan.retired)
    ]


def test_a_first_release_takes_blue_and_replaces_nobody() -> None:
    """Where nothing serves, blue is the candidate and there is no previous version."""
    made = plan(snapshot(live=None), "v1")

    assert made.replicas == ("shop-notes-blue-1", "shop-notes-blue-2")
    assert (made.previous, made.outgoing, made.clear, made.unchanged) == (None, (), (), False)
    assert lanes(made)[2:] == [("v1", None, None, None)] * 2


def test_a_deploy_takes_the_other_color_and_moves_the_traffic_once() -> None:
    """First the candidate is there for a preview only, then the two change places, then one is left."""
    live = color("blue", "v1")
    made = plan(snapshot(*live))

    assert made.candidate.color == "green"
    assert made.outgoing == live
    assert lanes(made) == [
        ("v1", None, None, None),
        ("v1", "v2", None, None),
        ("v2", None, "v1", None),
        ("v2", None, None, "v1"),
    ]
    assert [lane.green for lane in (made.lane, made.staged, made.promoted, made.retired)] == [
        0,
        0,
        100,
        100,
    ]


def test_every_container_of_a_release_carries_its_name_and_the_image_id() -> None:
    """So that a failed release finds its own containers, and only those."""
    made = plan(snapshot(*color("blue", "v1")), image="sha256:2")

    assert {spec.labels[naming.RELEASE] for spec in made.start} == {"now"}
    assert {spec.image for spec in made.start} == {"sha256:2"}


def test_a_release_needs_no_other_config() -> None:
    """What NGINX serves lists both colors already; a route that changed is a step of its own."""
    made = plan(snapshot(*color("blue", "v1")))
    assert made.config.id == made.served.id
    assert Phase.CONFIGURE not in dict(describe(made))

    routed = plan(snapshot(*color("blue", "v1")), of=stack(routes=[{"path": "/notes/"}]))
    assert routed.config.text == render(stack(routes=[{"path": "/notes/"}]), TABLE).text
    assert list(dict(describe(routed))) == [
        phase for phase in Phase if phase not in (Phase.BUILD, Phase.PLAN, Phase.MIGRATE)
    ]


def test_only_the_candidate_gets_a_new_shape() -> None:
    """Another port or number of replicas is the candidate's; the active color keeps its own."""
    made = plan(snapshot(*color("blue", "v1")), of=stack(port=9000, replicas=3))

    assert made.config.table.of("notes", "blue") == TABLE.of("notes", "blue")
    green = made.config.table.require("notes", "green")
    assert (green.port, len(green.addresses)) == (9000, 3)
    assert {*green.addresses} > {*TABLE.require("notes", "green").addresses}
    assert [spec.address for spec in made.start] == [*green.addresses]
    assert {spec.labels[naming.PORT] for spec in made.start} == {"9000"}


def test_an_address_that_somebody_else_has_is_told_before_anything_starts() -> None:
    """With who has it; one of our own in the same place is no obstacle."""
    (address, _) = TABLE.require("notes", "green").addresses
    taken = replace(NETWORK, holders={address: "stray"})
    with pytest.raises(EngineError, match=f"`stray` has the address {address}"):
        plan(replace(snapshot(*color("blue", "v1")), network=taken))

    own = replace(NETWORK, holders={address: "shop-notes-green-1"})
    kept = color("green", "v0")
    assert plan(replace(snapshot(*color("blue", "v1"), *kept), network=own)).clear == kept


def test_the_version_that_serves_as_wanted_needs_no_release() -> None:
    """Same version, same containers, same config: unchanged."""
    assert plan(snapshot(*color("blue", "v1")), "v1").unchanged


@pytest.mark.parametrize(
    ("wanted", "image"),
    [
        (stack(env={"DEBUG": "1"}), IMAGE),
        (stack(replicas=3), IMAGE),
        (stack(port=9000), IMAGE),
        (stack(routes=[{"path": "/notes/"}]), IMAGE),
        (stack(resources={"memory": "64m"}), IMAGE),
        (stack(init=False), IMAGE),
        (stack(), "sha256:built anew"),
    ],
    ids=["environment", "replicas", "port", "routes", "memory", "init", "image"],
)
def test_whatever_makes_a_container_or_the_config_other_is_a_change(
    wanted: Stack, image: str
) -> None:
    """The same version is released again when anything behind it differs."""
    assert not plan(snapshot(*color("blue", "v1")), "v1", of=wanted, image=image).unchanged


def test_what_has_no_init_is_what_an_earlier_stackctl_made() -> None:
    """A database and the gateway are not made anew for a setting that they do not use."""
    database = ContainerSpec("shop-db", "mongo:8", {}, "shop-net")
    assert database.fingerprint == "2b4a355cf4cb9fb0"
    assert replace(database, init=True).fingerprint != database.fingerprint


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


@pytest.mark.parametrize(
    "seen",
    [
        Snapshot(),
        replace(snapshot(), gateway=replace(GATEWAY, state="exited")),
        replace(snapshot(), config=None),
    ],
    ids=["absent", "stopped", "silent"],
)
def test_without_a_gateway_there_is_no_release(seen: Snapshot) -> None:
    """The error says how to bring it up."""
    with pytest.raises(StackctlError, match="the gateway of `shop` does not run") as caught:
        plan(seen)

    assert str(caught.value.hint).startswith("bring the stack up: `stackctl up`; ")


@pytest.mark.parametrize(
    ("strange", "words"),
    [(Earlier("x", {}), "by an earlier stackctl"), (Newer(9), r"by a newer stackctl \(layout 9\)")],
)
def test_a_stack_of_another_layout_is_not_released(strange: Earlier | Newer, words: str) -> None:
    """An earlier one is moved over by `up`; a newer one is left to the newer stackctl."""
    with pytest.raises(StackctlError, match=words):
        plan(replace(snapshot(), config=None, strange=strange))


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


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("feature/x", "name it `feature-x`; "),
        ("release/2.0 (rc)", "name it `release-2.0-rc`; "),
        ("-v", "name it `v`; "),
        (".v", "name it `v`; "),
        ("v1;", "name it `v1`; "),
        ("v1\n", "name it `v1`; "),
        ("ü", "a version is an image's tag: "),
        ("a" * 129, "a version is an image's tag: "),
        ("", "see the variable that it comes from: "),
    ],
)
def test_anything_else_is_no_version(text: str, hint: str) -> None:
    """It is refused, not changed in silence: the hint has what can be typed instead."""
    with pytest.raises(ConfigurationError) as caught:
        parse_version(text)
    assert str(caught.value.hint).startswith(hint)
