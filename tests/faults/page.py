"""`reports/FAULTS.md`: the matrix and the stories, for whoever wants to know what was survived: pure."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

import docker
import docker.utils

from orchestrator.drill.boundary import ORDER
from orchestrator.drill.verdict import find_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from orchestrator.drill.verdict import Observation
    from tests.faults.account import Account

HEAD = """# Faults

`make faults` strikes real releases, on a real engine and NGINX, while strict clients send requests, and
then runs the next command. It wrote this page.
"""
LEGEND = """Each cell is one release that stood still there and was struck: its exit code (a signal's name where it
was killed), how its evidence ended, and requests lost. `+n` were in flight on what was ended, `(n)` came
while there was no gateway. Every stack was clean after the next command, except where a cell says ✕.
"""
SIGNALS = {-9: "KILL"}
NONE = "\N{EN DASH}"


def write_page(
    observations: Sequence[Observation], accounts: Sequence[Account], facts: dict[str, str]
) -> str:
    """Return the page."""
    return "\n".join(
        [
            HEAD,
            _verdict(observations, accounts),
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            "",
            "## Struck at every boundary",
            "",
            LEGEND,
            *_tables(observations),
            "## Stories",
            "",
            "| fault | what was seen | requests | lost | |",
            "|---|---|---:|---:|---|",
            *(
                f"| {a.name} | {a.seen} | {a.sent or NONE} | {a.lost if a.sent else NONE} |"
                f" {'✕ ' + '; '.join(a.problems) if a.problems else '✓'} |"
                for a in accounts
            ),
            "",
            *_failures(observations),
        ]
    )


def describe_machine(now: datetime, seconds: float) -> dict[str, str]:
    """Return what the suite ran on."""
    client = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
    try:
        engine = client.version()["Version"]
    finally:
        client.close()
    return {
        "when": f"{now:%Y-%m-%d %H:%M} UTC, in {seconds / 60:.0f} minutes",
        "machine": f"{os.cpu_count()} CPUs, {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "engine": f"Docker {engine}",
    }


def _verdict(observations: Sequence[Observation], accounts: Sequence[Account]) -> str:
    failed = sum(bool(list(find_problems(o))) for o in observations)
    failed += sum(bool(a.problems) for a in accounts)
    total = len(observations) + len(accounts)
    sent = sum(o.toll.sent for o in observations) + sum(a.sent for a in accounts)
    lost = sum(o.toll.lost for o in observations) + sum(a.lost for a in accounts)
    in_flight = sum(o.toll.in_flight for o in observations)
    cut_off = sum(o.toll.cut_off for o in observations)
    return (
        f"**{total - failed} of {total} faults survived: of {sent:,} requests {lost} were lost where"
        f" users should have been served.** {in_flight:,} more were in flight on what was ended, and"
        f" {cut_off:,} came while there was no gateway."
    )


def _tables(observations: Sequence[Observation]) -> Iterator[str]:
    for command in dict.fromkeys(o.case.command for o in observations):
        ours = [o for o in observations if o.case.command == command]
        faults = list(dict.fromkeys(o.case.fault.name for o in ours))
        cells: dict[str, dict[str, str]] = defaultdict(dict)
        for seen in ours:
            cells[str(seen.case.boundary)][seen.case.fault.name] = _cell(seen)
        order = sorted(cells, key=_rank(ours).__getitem__)
        yield f"### `{command}`"
        yield ""
        yield f"| | {' | '.join(faults)} |"
        yield f"|---|{'---|' * len(faults)}"
        for boundary in order:
            row = (cells[boundary].get(fault, NONE) for fault in faults)
            yield f"| {boundary} | {' | '.join(row)} |"
        yield ""


def _rank(observations: Iterable[Observation]) -> dict[str, int]:
    """Return the order of the boundaries, as the releases come to them."""
    found = {o.case.boundary for o in observations}
    ordered = sorted(found, key=lambda boundary: (not boundary.begins, ORDER.index(boundary.phase)))
    return {str(boundary): place for place, boundary in enumerate(ordered)}


def _cell(seen: Observation) -> str:
    code = SIGNALS.get(seen.code, str(seen.code))
    lost = str(seen.toll.lost)
    if seen.toll.in_flight:
        lost += f" +{seen.toll.in_flight}"
    if seen.toll.cut_off:
        lost += f" ({seen.toll.cut_off:,})"
    mark = "✕ " if list(find_problems(seen)) else ""
    return f"{mark}{code} {seen.evidence}, {lost}"


def _failures(observations: Iterable[Observation]) -> Iterator[str]:
    failed = [(o, list(find_problems(o))) for o in observations]
    lines = [f"- {seen.case}: {'; '.join(found)}" for seen, found in failed if found]
    if lines:
        yield from ("## Not survived", "", *lines, "")
