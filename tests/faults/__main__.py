"""`make faults`: every fault at every boundary, the stories, and an engine that is restarted.

`python -m tests.faults PART…` runs parts of it and writes no page: up, deploy, rollback, stories, engine.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.clock import SystemClock
from orchestrator.drill.report import describe_case
from orchestrator.drill.verdict import find_problems
from tests.e2e.operator import REPOSITORY
from tests.faults import engine_part
from tests.faults.acts import MATRIX
from tests.faults.matrix import COMMANDS, list_cases, run_cases
from tests.faults.page import describe_machine, write_page
from tests.faults.stories import UPLOAD, tell_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.drill.verdict import Observation
    from tests.faults.account import Account

AT_ONCE = 2  # parts: more would make releases slow, and the faults no worse
PARTS = ("engine", *COMMANDS, "stories")
PAGE = REPOSITORY / "reports" / "FAULTS.md"
Found = tuple["list[Observation]", "list[Account]"]


def main(wanted: list[str]) -> int:
    """Run the parts; 0 only where everything was survived."""
    if engine_part.is_inside():
        return engine_part.act(Path(wanted[0]), say)
    if not set(wanted) <= set(PARTS):
        sys.stderr.write(f"usage: python -m tests.faults [{'] ['.join(PARTS)}]\n")
        return 2
    clock = SystemClock()
    started = clock.monotonic()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        running = [pool.submit(run_part(part)) for part in PARTS if not wanted or part in wanted]
    found = [each.result() for each in running]
    observations = [seen for part, _ in found for seen in part]
    accounts = [account for _, part in found for account in part]
    if not wanted:
        facts = describe_machine(clock.now(), clock.monotonic() - started)
        PAGE.write_text(write_page(observations, accounts, facts))
        say(f"written: {PAGE.relative_to(REPOSITORY)}")
    failed = [seen for seen in observations if any(find_problems(seen))]
    return 1 if failed or any(account.problems for account in accounts) else 0


def run_part(part: str) -> Callable[[], Found]:
    """Return what runs a part."""
    if part == "engine":
        return partial(engine_part.run, say)
    return _tell_stories if part == "stories" else partial(_run_command, part)


def _run_command(command: str) -> Found:
    return run_cases(list_cases([command], MATRIX), lambda seen: say(describe_case(seen))), []


def _tell_stories() -> Found:
    accounts = []
    for account in tell_all(UPLOAD):
        say(str(account))
        accounts.append(account)
    return [], accounts


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
