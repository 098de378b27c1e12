"""The fault suite's page and its cases: what is drawn from the phases, and what is told of it."""

from __future__ import annotations

from orchestrator.drill.boundary import Boundary
from orchestrator.drill.faults import FAULTS, Case
from orchestrator.drill.verdict import Observation, Toll
from orchestrator.release.phases import Phase
from tests.faults.account import Account, give_account
from tests.faults.acts import MATRIX, make_engine_fault
from tests.faults.engine_part import read_observation, write_observation
from tests.faults.matrix import COMMANDS, list_cases
from tests.faults.page import write_page
from tests.unit.test_drill import sample

FACTS = {"machine": "2 CPUs"}
TOLL = Toll(sent=1000, lost=0, in_flight=2, cut_off=30, seconds=1.5)


def seen(code: int = -9, toll: Toll = TOLL) -> Observation:
    """Return what came of a deploy that was killed after its gate."""
    case = Case("deploy", Boundary(Phase.GATE), FAULTS[0])
    return Observation(case, code, "v1", "v2", "v1", toll, ("removed",), (), "interrupted")


def test_every_phase_of_every_command_is_struck() -> None:
    """By each fault, wherever there is something to strike; a new phase is no exception."""
    cases = list_cases(COMMANDS, MATRIX)
    for command in COMMANDS:
        killed = {c.boundary.phase for c in cases if (c.command, c.fault.key) == (command, "kill")}
        left_out = {Phase.CONFIGURE} | ({Phase.MIGRATE} if command == "rollback" else set())
        assert killed == set(Phase) - left_out
    struck = {(c.command, c.fault.key) for c in cases}
    assert struck == {(command, fault.key) for command in COMMANDS for fault in MATRIX}


def test_the_page_says_what_was_survived() -> None:
    """Verdict first, then a cell for each case, then the stories."""
    accounts = [Account("a slow clock", "nothing happened", 100, 0, ())]
    page = write_page([seen()], accounts, FACTS)
    assert "**2 of 2 faults survived: of 1,100 requests 0 were lost" in page
    assert "| after gate | KILL interrupted, 0 +2 (30) |" in page
    assert "| a slow clock | nothing happened | 100 | 0 | ✓ |" in page
    assert "- machine: 2 CPUs" in page
    assert "Not survived" not in page


def test_the_page_hides_nothing() -> None:
    """What was not survived is marked, counted, and told at the end."""
    accounts = [give_account("a bad clock", "it broke", [sample(1, lost="closed")], {"a": False})]
    page = write_page([seen(code=3), seen()], accounts, FACTS)
    assert "**1 of 3 faults survived" in page
    assert "✕ a; lost: GET /: closed" in page
    assert "## Not survived" in page
    assert "kill -9 of stackctl after gate of deploy: exit code 3, expected -9" in page


def test_an_observation_survives_the_way_between_two_processes() -> None:
    """It is written and read as it was, but for the acts of its fault."""
    fault = make_engine_fault(lambda: None)
    before = seen(code=1)
    struck = Observation(**{**vars(before), "case": Case("up", Boundary(Phase.BUILD), fault)})
    after = read_observation(write_observation(struck))
    assert str(after.case) == str(struck.case)
    assert {**vars(after), "case": None} == {**vars(struck), "case": None}
