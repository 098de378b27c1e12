"""The host goes down and comes up again: nobody is there to type a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.clock import SystemClock, poll
from tests.faults.account import Account
from tests.faults.site import open_site, somebody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.own_engine import OwnEngine

PATIENCE = 60.0  # seconds until users must be served again
TIMES = 2


def reboot_all(engine: OwnEngine) -> Iterator[Account]:
    """End the engine under a stack that serves v2 and keeps v1, and start it again, more than once.

    The engine starts containers in no order, so the gateway comes up before or after what it names.
    """
    with somebody() as operator:
        operator.up()
        assert operator.deploy("v2").code == 0
        site = open_site(operator)
        kept = {r.container.name for r in site.look().replicas if not r.container.running}
        clock = SystemClock()
        for number, name in enumerate(("reboot of the host", "kill of the engine") * TIMES):
            if "kill" in name:
                engine.kill()
                engine.start()
            else:
                engine.restart()
            started = clock.monotonic()

            def served() -> bool | None:
                try:
                    return operator.get()[0] == 200 or None
                except OSError:
                    return None

            back = poll(served, clock=clock, every=0.1, within=PATIENCE)
            seconds = clock.monotonic() - started
            found = site.look()
            awake = {r.container.name for r in found.replicas if r.container.running} & kept
            checks = {
                "users are served again, without a command": bool(back),
                "by the version that was active": bool(back) and operator.serving() == "v2",
                "what was retired stays stopped": not awake,
            }
            after = operator.run("up")
            status = operator.status()
            checks |= {
                "`up` ends well": after.code == 0,
                "nothing is left to do": not status["drift"] and not status["recovery"],
            }
            yield Account(
                f"{name}, {number // 2 + 1} of {TIMES}",
                f"users had v2 again {seconds:.1f} s after the engine's start, all by itself",
                0,
                0,
                tuple(text for text, holds in checks.items() if not holds),
            )
