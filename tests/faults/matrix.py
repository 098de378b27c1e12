"""Every fault at every boundary of every command: drawn from the phases, so that none is forgotten."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.drill.boundary import list_boundaries
from orchestrator.drill.faults import Case
from orchestrator.drill.verdict import Observation, Toll
from orchestrator.errors import StackctlError
from tests.faults.site import choose_exercise, open_site, somebody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from orchestrator.drill.exercise import Exercise
    from orchestrator.drill.faults import Fault

COMMANDS = ("up", "deploy", "rollback")
ROOM = "32m"  # on the disk that evidence is written to


def list_cases(commands: Sequence[str], faults: Sequence[Fault]) -> list[Case]:
    """Return all cases in which there is something to strike."""
    return [
        Case(command, boundary, fault)
        for command in commands
        for fault in faults
        for boundary in list_boundaries(command, migrates=True)
        if fault.fits(command, boundary)
    ]


def run_cases(cases: Sequence[Case], tell: Callable[[Observation], None]) -> list[Observation]:
    """Run cases of one command, one after another on the same stack."""
    seen = []
    with somebody() as operator, small_disk(operator.folder / "reports"):
        exercise = choose_exercise(open_site(operator), cases[0].command)
        for case in cases:
            seen.append(_run(exercise, case))
            tell(seen[-1])
    return seen


def _run(exercise: Exercise, case: Case) -> Observation:
    """Run a case; one that does not come to its boundary is a failure, and the next one is tried."""
    try:
        return exercise.run(case)
    except (StackctlError, TimeoutError) as error:
        nothing = Toll(sent=0, lost=0, in_flight=0, cut_off=0, seconds=0.0)
        return Observation(case, 0, "", "", "", nothing, (), (), "none", error=str(error))


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk that can be filled; it takes root."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
