"""A service and its companions as one: who has which version, who goes back, and what came of all: pure.

The leader is the first to go and the last to go back. So, wherever a command died, the version of the
leader is the one that the unit was going to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import Interrupted
from orchestrator.evidence.samples import merge
from orchestrator.release.plan import Order
from orchestrator.stack.unit import find_leader, list_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.errors import StackctlError
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.result import Outcome, Result
    from orchestrator.stack.model import Stack


def find_own_version(stack: Stack, snapshot: Snapshot, service: str) -> str:
    """Return the version that a service has, or is to have: a companion's is its leader's."""
    first = find_leader(stack, service) or service
    return snapshot.version(first) or stack.services[first].version


def find_uneven(stack: Stack, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield each leader with a companion that has another version."""
    for name in stack.services:
        own = snapshot.version(name)
        for companion in stack.services[name].companions:
            if own and snapshot.version(companion) not in ("", own):
                yield name, companion


def list_orders(stack: Stack, order: Order) -> tuple[Order, ...]:
    """Return an order for each member. The leader's release builds the images of all."""
    _, *companions = list_unit(stack, order.service)
    first = replace(order, companions=tuple(companions))
    return (first, *(replace(order, service=name, build=False) for name in companions))


def is_done(result: Result) -> bool:
    """Whether the next member may follow."""
    return result.went_through and not isinstance(result.error, Interrupted)


def find_way_back(done: Sequence[Result], failed: Order, snapshot: Snapshot) -> Iterator[Order]:
    """Yield the way back of those that went before, the last one first; `failed` says why.

    Who was released goes back to what it had, or, with nothing before it, to what `failed` has. Who had
    the new version already, from a command that died, goes back where it keeps what `failed` has.
    """
    had = snapshot.version(failed.service)
    for result in reversed([one for one in done if one.went_through]):
        kept = snapshot.kept(result.service)
        if result.outcome == "deployed":
            version = result.previous or had
        else:
            version = had if kept and kept[0].version == had != result.version else ""
        if version:
            what = f"{failed.service} {failed.version} was not released: {failed.reason}"
            text = f"{result.service} goes back to {version}, since {what}"
            yield Order(result.service, version, command="rollback", build=False, reason=text)


def conclude_unit(
    done: Sequence[Result],
    gone_back: Sequence[Result],
    runs: Mapping[str, str],
    error: StackctlError | None,
    *,
    whole: bool,
) -> Result:
    """Return what came of a unit, as the result of its leader with those of all members.

    `error` is what stopped it between two members. `runs` is who has which version now; empty where
    nobody could look. The evidence is the leader's, or that of the member that failed.
    """
    first, last, everything = done[0], done[-1], (*done, *gone_back)
    if not first.went_through:  # no companion was touched
        return replace(first, members=(first,), runs=runs)
    decisive = first if whole or last.evidence is None else last
    now = next(one for one in reversed(everything) if one.service == first.service)
    return replace(
        first,
        outcome=_find_outcome(everything, runs, whole=whole),
        color=now.color,
        release=decisive.release,
        evidence=decisive.evidence,
        report=decisive.report,
        witness=merge([one.witness for one in everything]),
        seconds=_add_up(everything),
        closed=any(one.closed for one in everything),
        error=error or next((one.error for one in done if one.error), None),
        warnings=tuple(text for one in everything for text in one.warnings),
        logs=last.logs,
        members=everything,
        runs=runs,
    )


def _find_outcome(everything: Sequence[Result], runs: Mapping[str, str], *, whole: bool) -> Outcome:
    outcomes = {one.outcome for one in everything}
    if "failed_unsafe" in outcomes:
        return "failed_unsafe"
    if whole:
        return "unchanged" if outcomes == {"unchanged"} else "deployed"
    return "reverted" if len({*runs.values()}) == 1 else "interrupted"


def _add_up(everything: Sequence[Result]) -> dict[str, float]:
    """Return the seconds of each phase, those of all members together."""
    seconds: dict[str, float] = {}
    for result in everything:
        for phase, spent in result.seconds.items():
            seconds[phase] = round(seconds.get(phase, 0.0) + spent, 3)
    return seconds
