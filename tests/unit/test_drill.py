"""A drill's decisions: where to strike, what it cost, and whether that was promised."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.drill.boundary import Boundary, list_boundaries, parse_boundary
from orchestrator.drill.faults import FAULTS, Case, Fault, Scene
from orchestrator.drill.programme import ALL, Wish, draw_up
from orchestrator.drill.report import describe_all, describe_case, to_document
from orchestrator.drill.verdict import Observation, Toll, count_toll, find_problems
from orchestrator.engine.values import Container
from orchestrator.errors import ConfigurationError
from orchestrator.events import PhaseBegan, PhaseEnded, Progress
from orchestrator.evidence.samples import Sample
from orchestrator.gateway.lane import Lane, Target
from orchestrator.release.observe import Snapshot
from orchestrator.release.phases import UNDO, Phase, Undo
from orchestrator.release.replica import Replica
from orchestrator.stack.model import Stack

if TYPE_CHECKING:
    from collections.abc import Iterable

BY_KEY = {fault.key: fault for fault in FAULTS}
NOTHING_LOST = Toll(sent=100, lost=0, in_flight=0, cut_off=0, seconds=0.0)


def make_stack(**service: object) -> Stack:
    """Return a stack of one service."""
    facts = {"build": ".", "port": 80, "routes": [{"path": "/"}], **service}
    gateway = {"image": "nginx:1.30"}
    return Stack.model_validate(
        {"version": 1, "name": "shop", "gateway": gateway, "services": {"web": facts}}
    )


def observe(key: str, boundary: Boundary, code: int, **facts: object) -> Observation:
    """Return what was seen of a deploy of v2 over v1 that went as it should."""
    after = "v2" if code in (0, 6) or boundary.is_after(Phase.PROMOTE) else "v1"
    seen = Observation(
        case=Case("deploy", boundary, BY_KEY[key]),
        code=code,
        before="v1",
        wanted="v2",
        after=after,
        toll=NOTHING_LOST,
        said=(),
        unclean=(),
        evidence="interrupted",
    )
    return replace(seen, **facts)  # type: ignore[arg-type]


def test_a_drill_strikes_each_member_of_a_unit() -> None:
    """A worker drains nothing; it is not drilled by its own name."""
    stack = Stack.model_validate(
        {
            "version": 1,
            "name": "shop",
            "gateway": {"image": "nginx:1.30"},
            "services": {
                "web": {"build": ".", "port": 80, "routes": [{"path": "/"}], "with": ["jobs"]},
                "jobs": {"build": "."},
            },
        }
    )
    cases = draw_up(stack, Wish(faults=["kill"])).cases
    assert [*map(str, cases)] == [
        *(f"kill -9 of stackctl after {phase} of deploy" for phase in ("gate", "promote", "drain")),
        *(f"kill -9 of stackctl after {phase} of deploy, jobs" for phase in ("gate", "promote")),
    ]
    with pytest.raises(ConfigurationError, match="`jobs` is released together with `web`"):
        draw_up(stack, Wish("jobs"))


def test_a_unit_that_dies_once_its_leader_has_switched_goes_forward() -> None:
    """While a companion is released, the leader has the new version already."""
    case = Case("deploy", Boundary(Phase.GATE), BY_KEY["kill"], "jobs", in_unit=True)
    seen = replace(observe("kill", case.boundary, -9), case=case)
    assert list(find_problems(seen)) == ["users have `v1`, expected v2"]
    assert list(find_problems(replace(seen, after="v2"))) == []


def sample(at: float, *, ms: float = 10, lost: str | None = None) -> Sample:
    """Return a request of the witness."""
    return Sample(at, "fresh", "GET /", 0.0, ms, None if lost else 200, "", lost)


def test_the_boundaries_are_those_of_the_phases() -> None:
    """One before the first phase, one after each: a new phase has its own at once."""
    everywhere = list_boundaries("deploy", migrates=True)
    phases = [phase for phase in Phase if phase is not Phase.CONFIGURE]  # stack.yaml stays
    assert [str(b) for b in everywhere] == ["before build", *(f"after {p}" for p in phases)]
    without = [b for b in everywhere if b.phase is not Phase.MIGRATE]
    assert [*list_boundaries("deploy", migrates=False)] == without
    assert [*list_boundaries("rollback", migrates=True)] == without


@pytest.mark.parametrize("boundary", list_boundaries("deploy", migrates=True), ids=str)
def test_a_boundary_is_read_as_it_is_written(boundary: Boundary) -> None:
    """And is marked by the one event that a release emits there."""
    assert parse_boundary(str(boundary)) == boundary
    events = [event for phase in Phase for event in (PhaseBegan(phase), PhaseEnded(phase, 0.1))]
    assert len([event for event in events if boundary.is_marked_by(event)]) == 1
    assert not boundary.is_marked_by(Progress("build"))


@pytest.mark.parametrize("text", ["", "gate", "after", "after lunch", "at gate"])
def test_other_words_are_no_boundary(text: str) -> None:
    """They are refused."""
    with pytest.raises(ValueError, match=r".*"):
        parse_boundary(text)


SERVED_AGAIN = [sample(10.0, lost="closed"), sample(11.0, lost="refused"), sample(13.0)]


@pytest.mark.parametrize(
    ("key", "samples", "lost", "in_flight", "cut_off"),
    [
        ("kill", [sample(9.0), sample(10.0, lost="closed")], 1, 0, 0),
        ("replica", [sample(9.99, ms=50, lost="closed"), sample(11)], 0, 1, 0),
        ("replica", [sample(9.0, lost="closed"), sample(11.0, lost="502")], 2, 0, 0),
        ("gateway-kill", [sample(9.99, ms=50, lost="closed"), *SERVED_AGAIN[1:]], 0, 1, 1),
        ("gateway-kill", [*SERVED_AGAIN, sample(14.0, lost="502")], 1, 1, 1),
        ("gateway-kill", [sample(8.0, lost="502"), sample(11.0, lost="refused")], 1, 0, 1),
    ],
)
def test_losses_are_counted_by_what_explains_them(
    key: str, samples: list[Sample], lost: int, in_flight: int, cut_off: int
) -> None:
    """Only what nothing explains is a loss that was promised not to be."""
    toll = count_toll(samples, BY_KEY[key], (10.0, 10.01), replicas=2)
    assert (toll.sent, toll.lost, toll.in_flight, toll.cut_off) == (
        len(samples),
        lost,
        in_flight,
        cut_off,
    )


def test_without_a_second_replica_users_are_cut_off() -> None:
    """The death of the only one is an outage, until it is back."""
    samples = [sample(11.0, lost="502"), sample(12.0)]
    assert count_toll(samples, BY_KEY["replica"], (10.0, 10.1), replicas=1).cut_off == 1
    assert count_toll(samples, BY_KEY["replica"], (10.0, 10.1), replicas=2).lost == 1
    assert count_toll(samples, BY_KEY["kill"], (10.0, 10.1), replicas=1).lost == 1


def test_who_is_told_to_come_back_is_not_lost() -> None:
    """By the gateway's own mark: a service that must be alone is closed for a while."""
    refused = Sample(10.0, "fresh", "GET /", 0.0, 2.0, 503, "closed", "status 503, expected 200")
    unmarked = replace(refused, served="shop_blue")
    assert count_toll([refused], BY_KEY["kill"], (9.0, 9.1), replicas=1).lost == 0
    assert count_toll([unmarked], BY_KEY["kill"], (9.0, 9.1), replicas=1).lost == 1


@pytest.mark.parametrize("boundary", list_boundaries("deploy", migrates=False), ids=str)
def test_what_was_promised_is_no_problem(boundary: Boundary) -> None:
    """Whoever dies before the switch leaves the old version, whoever dies after it the new one."""
    assert list(find_problems(observe("kill", boundary, -9))) == []


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "another exit code": ({"code": 3}, "exit code 3, expected -9"),
    "a lost request": ({"toll": replace(NOTHING_LOST, lost=2)}, "2 requests lost"),
    "another version": ({"after": "v2"}, "users have `v2`, expected v1"),
    "no version": ({"after": ""}, "users have ``, expected v1"),
    "a failing command": ({"error": "no"}, "the next command failed: no"),
    "a leftover": ({"unclean": ("a candidate",)}, "a candidate"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_was_not_promised_is_a_problem(name: str) -> None:
    """It is named, and the case counts as not survived."""
    facts, problem = WRONG[name]
    seen = replace(observe("kill", Boundary(Phase.GATE), -9), **facts)  # type: ignore[arg-type]

    assert problem in list(find_problems(seen))
    assert describe_case(seen).startswith("FAILED")
    assert to_document([seen])["survived"] == 0
    assert describe_all([seen]).startswith("0 of 1 faults survived")


@pytest.mark.parametrize("boundary", list_boundaries("deploy", migrates=False), ids=str)
def test_an_interruption_is_one_of_the_phase_before_the_boundary(boundary: Boundary) -> None:
    """So it leads to what the table of phases says for that one."""
    kept = "v2" if UNDO[boundary.phase] is Undo.FORWARD else "v1"
    assert list(find_problems(observe("interrupt", boundary, 130, after=kept))) == []
    assert len(list(find_problems(observe("interrupt", boundary, 130, after="v3")))) == 1


def test_a_release_that_says_deployed_must_have_deployed() -> None:
    """The exit code decides on what users must have."""
    seen = observe("candidate", Boundary(Phase.GATE), 0)
    assert list(find_problems(seen)) == []
    assert list(find_problems(replace(seen, after="v1"))) == ["users have `v1`, expected v2"]


def test_whoever_loses_the_lock_leaves_it_to_the_next_one() -> None:
    """As after a death, users keep what they get at that moment; after an emergency, either."""
    before, after = Boundary(Phase.GATE), Boundary(Phase.PROMOTE)
    lost = replace(BY_KEY["kill"], codes=(5,))
    for boundary, version in ((before, "v1"), (after, "v2")):
        seen = replace(observe("kill", boundary, 5), case=Case("deploy", boundary, lost))
        assert list(find_problems(replace(seen, after=version))) == []
        assert len(list(find_problems(replace(seen, after="v3")))) == 1
    for version in ("v1", "v2"):
        seen = observe("gateway-kill", before, 4, after=version)
        assert list(find_problems(seen)) == []


def test_the_usual_programme_is_short() -> None:
    """Three faults, each at three places of a deploy, between the service's own version and another."""
    programme = draw_up(make_stack(version="v7"), Wish())
    assert programme.service == "web"
    assert programme.versions == ("v7", "drill")
    assert [str(case) for case in programme.cases[:3]] == [
        "kill -9 of stackctl after gate of deploy",
        "kill -9 of stackctl after promote of deploy",
        "kill -9 of stackctl after drain of deploy",
    ]
    assert len(programme.cases) == 9


def test_all_is_all_that_can_be_struck() -> None:
    """Nothing is struck that is not there yet."""
    programme = draw_up(make_stack(), Wish(commands=[ALL], faults=[ALL], phases=[ALL]))
    struck = {(case.command, case.fault.key, str(case.boundary)) for case in programme.cases}
    assert {command for command, _, _ in struck} == {"deploy", "rollback"}
    assert {key for _, key, _ in struck} == BY_KEY.keys()
    assert ("deploy", "kill", "before build") in struck
    assert ("deploy", "candidate", "after plan") not in struck
    assert ("deploy", "candidate", "after start") in struck


@pytest.mark.parametrize(
    ("wish", "service", "told"),
    [
        (Wish(service="nobody"), {}, "no service `nobody`"),
        (Wish(), {"routes": []}, "no service has a route"),
        (Wish(), {"build": None, "image": "web:{version}"}, "there is no second version"),
        (Wish(versions=("v1", "v1")), {}, "`v1` is one version"),
        (Wish(faults=["flood"]), {}, "no fault `flood`"),
        (Wish(phases=["lunch"]), {}, "no phase `lunch`"),
        (Wish(commands=["up"]), {}, "no command `up`"),
    ],
)
def test_what_cannot_be_drilled_is_refused(
    wish: Wish, service: dict[str, object], told: str
) -> None:
    """Before anything is copied, with what is known instead."""
    with pytest.raises(ConfigurationError, match=told):
        draw_up(make_stack(**service), wish)


def codes(faults: Iterable[Fault]) -> set[int]:
    """Return all exit codes that faults may lead to."""
    return {code for fault in faults for code in fault.codes}


def test_no_fault_may_end_in_a_bug() -> None:
    """Exit code 3 is never among those that are expected, nor is one for wrong usage."""
    assert not codes(FAULTS) & {2, 3}


BLUE, GREEN = Target("blue", "v1", 1, "r1"), Target("green", "v2", 1, "r2")


@pytest.mark.parametrize(
    ("lane", "active", "candidate"),
    [
        (None, set(), {"blue"}),
        (Lane(BLUE), {"blue"}, {"blue"}),  # a first release, once users have it
        (Lane(BLUE, candidate=GREEN), {"blue"}, {"green"}),
        (Lane(GREEN, outgoing=BLUE), {"green"}, {"green"}),
    ],
    ids=["nobody is served", "first", "staged", "promoted"],
)
def test_a_fault_finds_its_victim(lane: Lane | None, active: set[str], candidate: set[str]) -> None:
    """Those whom users get, and those that came with the release, wherever it stands still."""
    replicas = tuple(
        Replica(
            Container(t.color, t.color, "", "running", {}), "web", t.color, 1, t.version, "", ""
        )
        for t in (BLUE, GREEN)
    )
    seen = Snapshot(replicas, lanes={"web": lane} if lane else {})
    scene = Scene(None, "web", None, seen)  # type: ignore[arg-type]

    assert {replica.color for replica in scene.active} == active
    assert {replica.color for replica in scene.candidate} == candidate
