"""How many requests are lost over many releases under load."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from tests.e2e.load import under_load
from tests.e2e.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOYS, ROLLBACKS = 20, 5
RATE = 300


def measure() -> Iterator[Figure]:
    """Yield what k6 and the witnesses lost, every fourth deploy followed by a rollback."""
    witnessed = lost = 0
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(Path(folder), f"bench{secrets.token_hex(3)}")
        try:
            operator.write_stack()
            operator.up()
            with under_load(
                f"http://127.0.0.1:{operator.public}/", operator.folder, rate=RATE
            ) as load:
                for number in range(1, DEPLOYS + 1):
                    commands: list[tuple[str, ...]] = [("deploy", "app", "--version", f"n{number}")]
                    if number % (DEPLOYS // ROLLBACKS) == 0:
                        commands.append(("rollback", "app"))
                    for command in commands:
                        done = operator.run(*command, "--output", "json")
                        assert done.code in (0, 6), done.stderr
                        witnessed += done.document["witness"]["sent"]
                        lost += done.document["witness"]["lost"]
        finally:
            operator.remove_everything()
    yield Figure(
        f"requests lost, {DEPLOYS} deploys, {ROLLBACKS} rollbacks",
        load.failed + lost,
        0,
        "lower",
        f"k6 {load.failed} of {load.sent:,} at {RATE}/s, witness {lost} of {witnessed:,}",
    )
