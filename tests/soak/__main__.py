"""`make soak`: whether 60 deploys and 15 rollbacks lose a request, or leave anything behind."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from orchestrator.clock import SystemClock
from tests.e2e.operator import REPOSITORY, Operator
from tests.soak import report
from tests.soak.halt import Halted
from tests.soak.journey import Journey

DEPLOYS, ROLLBACKS = 60, 15
REPORT = REPOSITORY / "reports" / "SOAK.md"
INTERRUPTED = 130


def main() -> int:
    """Make the journey and tell of it; 0 where it has held."""
    journey = read_arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = travel(journey)
    text = report.write(journey, describe_machine())
    print(text)
    if (journey.deploys, journey.rollbacks) == (DEPLOYS, ROLLBACKS) and report.is_whole(journey):
        REPORT.write_text(text)
        print(f"written to {REPORT.relative_to(REPOSITORY)}", file=sys.stderr)
    return code or (0 if report.has_held(journey) else 1)


def travel(journey: Journey) -> int:
    """Make the journey with a stack that is gone afterwards; 0 where it came to its end."""
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(Path(folder), f"soak{secrets.token_hex(3)}")
        try:
            journey.travel(operator)
        except Halted as halt:
            print(f"soak: {halt}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("soak: interrupted; what it brought up is removed", file=sys.stderr)
            return INTERRUPTED
        finally:
            if journey.crowd.lost or journey.warm_up.lost:
                operator.print_logs()
            operator.remove_everything()
    return 0


def read_arguments() -> Journey:
    """Return a journey as long as asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--deploys", type=int, default=DEPLOYS)
    parser.add_argument("--rollbacks", type=int, default=ROLLBACKS)
    arguments = parser.parse_args()
    if not 0 <= arguments.rollbacks <= arguments.deploys or not arguments.deploys:
        parser.error("there are at least one deploy, and no more rollbacks than deploys")
    return Journey(arguments.deploys, arguments.rollbacks)


def describe_machine() -> dict[str, str]:
    """Return how large the machine is, and the day."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "ended": SystemClock().now().isoformat(timespec="minutes"),
        "machine": f"{os.cpu_count()} CPUs, {memory:.1f} GiB",
    }


if __name__ == "__main__":
    sys.exit(main())
