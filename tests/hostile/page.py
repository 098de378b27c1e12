"""`reports/HOSTILE.md`: what each attack cost honest users, before and after it was looked at: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.hostile.trial import Outcome

HEAD = """# Attacks

`make hostile` attacks the reference stack from one address while forty honest users read, search, listen,
log in and send files from another. Then it attacks small stacks with TLS: one with a door of its own, beside
twenty users who come by TLS, without, and by HTTP/2 on connections that they keep; and one that shares its
door with a neighbour, beside twenty users of each. It wrote this page.
"""
LEGEND = """*Lost* are honest requests without the right answer within 20 seconds; 429 and 503 count. *Memory* is
NGINX's own, of all containers that have a part in it, *disk* what the engine's disk held more than at rest: both at most. *Earlier* is the same attack
on the design before these bounds (commit f631061); its users did not yet look whether a stream was cut off, and
sent small files at once. *Behind the firewall*: from outside of the host, which has the rule of
[SECURITY.md](../SECURITY.md).
"""
NONE = "\N{EN DASH}"


def write_page(
    outcomes: Sequence[Outcome], earlier: Mapping[str, Outcome], facts: Mapping[str, str]
) -> str:
    """Return the page."""
    sent = sum(each.sent for each in outcomes)
    lost = sum(each.lost_in_all for each in outcomes)
    return "\n".join(
        [
            HEAD,
            f"**Under {len(outcomes)} attacks honest users sent {sent:,} requests; {lost:,} were lost.**",
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            "",
            "| attack | sent | lost | earlier | slowest | memory | earlier | disk | earlier |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(_row(each, earlier.get(each.attack)) for each in outcomes),
            "",
            LEGEND,
            "## What the attacker got",
            "",
            *(f"- `{each.attack}`: {_say(each.got)}" for each in outcomes),
            "",
            *_losses(outcomes, "Lost"),
            *_losses([e for e in earlier.values() if e.lost], "Lost earlier"),
        ]
    )


def _row(now: Outcome, before: Outcome | None) -> str:
    cells = [
        f"`{now.attack}`: {now.what.rstrip('.')}",
        f"{now.sent:,}",
        f"{now.lost_in_all:,}",
        f"{before.lost_in_all:,} of {before.sent:,}" if before else NONE,
        f"{now.slowest:.1f} s",
        _memory(now),
        _memory(before),
        f"{now.disk:,.0f} MiB",
        f"{before.disk:,.0f} MiB" if before else NONE,
    ]
    return f"| {' | '.join(cells)} |"


def _memory(outcome: Outcome | None) -> str:
    if not outcome:
        return NONE
    killed = f", {outcome.killed} workers killed" if outcome.killed else ""
    return f"{outcome.memory[1]:,.0f} MiB{killed}"


def _losses(outcomes: Sequence[Outcome], title: str) -> Iterator[str]:
    found = [each for each in outcomes if each.lost]
    if found:
        yield from (f"## {title}", "")
        yield from (f"- `{each.attack}`: {_say(each.lost)}" for each in found)
        yield ""


def _say(counts: Mapping[str, int]) -> str:
    told = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{number:,} x {name}" for name, number in told) or "nothing"
