"""The end of a release: its evidence written, its result handed back.

Nothing here can change what users get any more, so what goes wrong here is a warning.
"""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.certificates.table import NO_CERTIFICATES
from orchestrator.errors import EngineError, StackctlError
from orchestrator.events import Ended, Testified, Traced, Warned
from orchestrator.evidence.closing import close_record
from orchestrator.evidence.samples import count
from orchestrator.evidence.seal import FILE
from orchestrator.evidence.summary import find_closed, read_span
from orchestrator.evidence.unseen import find_traces, resolve
from orchestrator.gateway.traffic import count_traffic, find_answers
from orchestrator.release.reach import find_url
from orchestrator.release.result import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.evidence.record import Record
    from orchestrator.evidence.samples import Figures
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order, Plan

PAGE = "report.html"


@dataclass(frozen=True)
class Ending:
    """How a release ended."""

    outcome: Outcome
    error: StackctlError | None
    seconds: Mapping[str, float]
    logs: str
    closed: bool = False  # whether users were told to come back for a while


def conclude(
    house: House, record: Record, order: Order, plan: Plan | None, figures: Figures, ending: Ending
) -> Result:
    """Write the evidence and return the result. A release that changed nothing leaves none."""
    house.emit(Ended(ending.outcome, round(ending.seconds["total"], 3)))
    warnings: list[str] = []
    if ending.outcome == "unchanged":
        record.discard()
    else:
        log = _read_log(house, record, plan)
        figures = look_up(record, figures, log)
        warnings += _write_evidence(house, record, plan, figures, ending, log)
    if record.trouble:
        warnings.append(f"the evidence is not whole: {record.trouble}")
    for warning in warnings:
        house.emit(Warned(warning))
    unchanged = ending.outcome == "unchanged"
    serving = plan.previous if plan and ending.outcome != "deployed" else plan and plan.candidate
    return Result(
        outcome=ending.outcome,
        service=order.service,
        version=order.version,
        command=order.command,
        replicas=serving.replicas if serving else None,
        color=serving.color if serving else None,
        release=serving.release if unchanged and serving else record.release,
        evidence=None if unchanged else house.shorten(record.folder),
        witness=figures,
        seconds={phase: round(spent, 3) for phase, spent in ending.seconds.items()},
        error=ending.error,
        previous=plan.previous.version if plan and plan.previous else None,
        planned=plan is not None,
        closed=ending.closed,
        url=find_url(house, order.service, plan.config.certificates if plan else NO_CERTIFICATES),
        report=_find_report(house, record),
        seal=_find_seal(record),
        warnings=(*_list_warnings(record), *warnings),
        logs=ending.logs,
    )


def _list_warnings(record: Record) -> Iterator[str]:
    return (str(event["text"]) for event in record.events if event["event"] == "warning")


def _find_report(house: House, record: Record) -> str | None:
    """Return the page that people look at, where it was written."""
    page = record.folder / PAGE
    return house.shorten(page) if page.is_file() else None


def _find_seal(record: Record) -> str | None:
    """Return the hash of the seal, where there is one: who keeps it knows if releases vanish."""
    with suppress(OSError):
        return record.hash(FILE)
    return None


def look_up(record: Record, figures: Figures, log: str | None) -> Figures:
    """Record what the gateway's log knows of requests whose answers were not seen; return the figures then."""
    names = {sample.unseen for sample in record.samples if sample.unseen}
    answers = find_answers(log or "", names)
    if not answers:
        return figures
    record.emit(Traced(answers))
    samples = resolve(record.samples, find_traces(record.events))
    closed = find_closed(record.events)
    return count(samples, figures.closed_early, figures.failure, record.notes, closed)


def _write_evidence(
    house: House,
    record: Record,
    plan: Plan | None,
    figures: Figures,
    ending: Ending,
    log: str | None,
) -> list[str]:
    """Write it; return what could not be shown."""
    ended = Ended(ending.outcome, round(ending.seconds["total"], 3))
    record.emit(Testified(figures.closed_early, figures.failure))
    record.emit(ended)
    texts, traffic = _compare_configs(plan, ending), _count_traffic(record, plan, log)
    try:
        return close_record(record, texts, traffic, house.evidence_key, house.clock)
    except StackctlError as error:
        return [error.message]


def _diff(before: str, after: str) -> Iterator[str]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return difflib.unified_diff(old, new, "nginx.before.conf", "nginx.after.conf")


def _compare_configs(plan: Plan | None, ending: Ending) -> dict[str, str]:
    if plan is None:
        return {}
    before = plan.served.text
    # A config that was taken up stays: it lists what the one before lists, and more.
    after = plan.config.text if "configure" in ending.seconds else before
    diff = () if after == before else _diff(before, after)
    lane = plan.retired if ending.outcome == "deployed" else plan.undone
    return {
        "nginx.before.conf": before,
        "nginx.after.conf": after,
        "nginx.diff": "".join(diff),
        "lane.before.json": f"{plan.lane.to_json()}\n",
        "lane.after.json": f"{lane.to_json()}\n",
    }


def _read_log(house: House, record: Record, plan: Plan | None) -> str | None:
    """Return the gateway's log since the release began; None where it has none of its own, or none is read."""
    if plan is None or plan.service.is_worker:
        return None
    start, _ = read_span(record.events)
    try:
        return house.engine.logs(plan.gateway.id, since=start)
    except EngineError as error:
        house.emit(Warned(f"real traffic is not in the evidence: {error.message}"))
        return None


def _count_traffic(record: Record, plan: Plan | None, log: str | None) -> dict[str, object] | None:
    if plan is None or log is None:
        return None
    start, end = read_span(record.events)
    versions = {str(color): version for color, version in plan.versions.items()}
    return count_traffic(log, plan.order.service, versions, start, end).facts()
