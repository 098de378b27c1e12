"""`make hostile`: what honest users lose while somebody attacks the reference stack, and doors with TLS.

`python -m tests.hostile ATTACK…` tries some and writes no page; `--figures FILE` keeps the figures.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.clock import SystemClock
from tests.e2e.operator import REPOSITORY, Operator
from tests.e2e.shared import is_door_there
from tests.faults.page import describe_machine
from tests.hostile import secure
from tests.hostile.attacker import ATTACKS, heads
from tests.hostile.doors import ATTACKED, NEIGHBOUR, TAKEN, building
from tests.hostile.outside import read_rule
from tests.hostile.page import write_page
from tests.hostile.trial import Outcome, attempt, read_outcomes, watch, write_outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = [each.__name__ for each in ATTACKS]  # on the reference stack
SECURE = [each.__name__ for each in secure.ATTACKS]  # on doors with TLS
NAMES = [*PLAIN, *SECURE]
OF_THE_DOOR = {  # what takes up the door itself, and not the NGINX behind it
    each.__name__ for each in (secure.hellos, secure.handshakes, secure.crowd, secure.unread)
}
FOR_THE_FIREWALL = {each.__name__ for each in (heads, secure.hellos, secure.unread)}
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
    if OF_THE_DOOR & set(arguments.attacks or NAMES) and is_door_there():
        parser.error(TAKEN)
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
    """Try attacks, those on the reference stack first; tell of each once it is over."""
    outcomes = []
    for tries in (try_platform, try_doors):
        for outcome in tries(names):
            outcomes.append(outcome)
            sys.stdout.write(f"{describe(outcome)}\n")
            sys.stdout.flush()
    return outcomes


def try_platform(names: list[str]) -> Iterator[Outcome]:
    """Bring a copy of the reference stack up, attack it, and leave nothing of it."""
    trials = [*list_trials([name for name in names if name in PLAIN])]
    if not trials:
        return
    with tempfile.TemporaryDirectory(prefix="stackctl-hostile-") as folder:
        operator = Operator(Path(folder), f"h{secrets.token_hex(3)}")
        try:
            operator.write_platform(address="0.0.0.0")
            operator.up()
            for name, rule in trials:
                yield attempt(operator, name, rule=rule)
        finally:
            operator.remove_everything()


def try_doors(names: list[str]) -> Iterator[Outcome]:
    """Attack a gateway that has a door with TLS, and then the door that it shares with a neighbour."""
    trials = [*list_trials([name for name in names if name in SECURE])]
    shared = [trial for trial in trials if trial[0] in OF_THE_DOOR and not trial[1]]
    for hosts, tried in (((ATTACKED,), trials), ((ATTACKED, NEIGHBOUR), shared)):
        if tried:
            with building(*hosts, shares=len(hosts) > 1) as open_scene:
                for name, rule in tried:
                    yield watch(open_scene(), name, rule=rule)


def list_trials(names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the attacks, each with the firewall's rule that stands in its way, if any."""
    rule = read_rule(SECURITY)
    for name in names:
        yield name, []
        if name in FOR_THE_FIREWALL:
            yield name, rule


def describe(outcome: Outcome) -> str:
    """Return an outcome in a line."""
    return (
        f"{outcome.attack}: {outcome.lost_in_all} of {outcome.sent:,} honest requests lost"
        f" {outcome.lost or ''}, slowest {outcome.slowest:.1f} s, NGINX {outcome.memory[1]:.0f} MiB,"
        f" disk +{outcome.disk:.0f} MiB, {outcome.killed} workers killed; the attacker got {outcome.got}"
    )


if __name__ == "__main__":
    sys.exit(main())
