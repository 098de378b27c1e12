"""`make hostile`: what honest users lose while somebody attacks the reference stack.

`python -m tests.hostile ATTACK…` tries some and writes no page; `--figures FILE` keeps the figures.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from orchestrator.clock import SystemClock
from tests.e2e.operator import REPOSITORY, Operator
from tests.faults.page import describe_machine
from tests.hostile.attacker import ATTACKS, heads
from tests.hostile.outside import read_rule
from tests.hostile.page import write_page
from tests.hostile.trial import Outcome, attempt, read_outcomes, write_outcomes

NAMES = [each.__name__ for each in ATTACKS]
EARLIER = Path(__file__).with_name("earlier.json")
SECURITY = REPOSITORY / "SECURITY.md"
PAGE = REPOSITORY / "reports" / "HOSTILE.md"


def main() -> int:
    """Try the attacks; 0 only where no honest user lost anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("attacks", nargs="*", help=", ".join(NAMES))
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    if unknown := set(arguments.attacks) - set(NAMES):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    clock = SystemClock()
    began = clock.monotonic()
    outcomes = try_all(arguments.attacks or NAMES)
    if arguments.figures:
        write_outcomes(arguments.figures, outcomes)
    if not arguments.attacks:
        facts = describe_machine(clock.now(), clock.monotonic() - began)
        PAGE.write_text(write_page(outcomes, read_outcomes(EARLIER), facts))
        sys.stdout.write(f"written: {PAGE.relative_to(REPOSITORY)}\n")
    return 1 if any(each.lost for each in outcomes) else 0


def try_all(names: list[str]) -> list[Outcome]:
    """Bring a copy of the reference stack up, attack it, and leave nothing of it."""
    with tempfile.TemporaryDirectory(prefix="stackctl-hostile-") as folder:
        operator = Operator(Path(folder), f"h{secrets.token_hex(3)}")
        try:
            operator.write_platform(address="0.0.0.0")
            operator.up()
            outcomes = []
            for name, rule in list_trials(names):
                outcomes.append(attempt(operator, name, rule=rule))
                sys.stdout.write(f"{describe(outcomes[-1])}\n")
                sys.stdout.flush()
        finally:
            operator.remove_everything()
    return outcomes


def list_trials(names: list[str]) -> list[tuple[str, list[str]]]:
    """Return the attacks, each with the firewall's rule that stands in its way, if any."""
    trials: list[tuple[str, list[str]]] = [(name, []) for name in names]
    if heads.__name__ in names:
        trials.insert(names.index(heads.__name__) + 1, (heads.__name__, read_rule(SECURITY)))
    return trials


def describe(outcome: Outcome) -> str:
    """Return an outcome in a line."""
    return (
        f"{outcome.attack}: {outcome.lost_in_all} of {outcome.sent:,} honest requests lost"
        f" {outcome.lost or ''}, slowest {outcome.slowest:.1f} s, NGINX {outcome.memory[1]:.0f} MiB,"
        f" disk +{outcome.disk:.0f} MiB, {outcome.killed} workers killed; the attacker got {outcome.got}"
    )


if __name__ == "__main__":
    sys.exit(main())
