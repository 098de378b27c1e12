"""The end of a release: its evidence written, its result handed back.

Nothing here can change what users get any more, so what goes wrong here is a warning.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import EngineError, StackctlError
from orchestrator.events import Ended, Warned
from orchestrator.evidence.record import Record, hash_text
from orchestrator.evidence.report import render_page, write_index
from orchestrator.evidence.summary import summarize
from orchestrator.gateway.traffic import count_traffic
from orchestrator.release.result import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.evidence.samples import Figures
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order, Plan


@dataclass(frozen=True)
class Ending:
    """How a release ended."""

    outcome: Outcome
    error: StackctlError | None
    seconds: Mapping[str, float]
    logs: str


def conclude(
    house: House, record: Record, order: Order, plan: Plan | None, figures: Figures, ending: Ending
) -> Result:
    """Write the evidence and return the result. A release that changed nothing leaves none."""
    ended = Ended(ending.outcome, round(ending.seconds["total"], 3))
    house.emit(ended)
    warnings: list[str] = []
    if ending.outcome == "unchanged":
        record.discard()
    else:
        try:
            record.emit(ended)
            _write_evidence(house, record, order, plan, figures, ending)
        except StackctlError as error:
            warnings.append(error.message)
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
        color=serving.color if serving else None,
        release=serving.release if unchanged and serving else record.release,
        evidence=None if unchanged else str(record.folder.relative_to(house.folder)),
        witness=figures,
        seconds={phase: round(spent, 3) for phase, spent in ending.seconds.items()},
        error=ending.error,
        warnings=(
            *(str(event["text"]) for event in record.events if event["event"] == "warning"),
            *warnings,
        ),
        logs=ending.logs,
    )


def _write_evidence(
    house: House, record: Record, order: Order, plan: Plan | None, figures: Figures, ending: Ending
) -> None:
    record.close()
    files = {}
    if plan is not None:
        before = plan.base.text
        after = plan.retired.text if ending.outcome == "deployed" else before
        diff = difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            "nginx.before.conf",
            "nginx.after.conf",
        )
        files = {
            "nginx.before.conf": before,
            "nginx.after.conf": after,
            "nginx.diff": "".join(diff),
        }
    for name, text in files.items():
        record.keep(name, text)
    recorded = {name: record.hash(name) for name in ("events.jsonl", "witness.jsonl")}
    hashes = recorded | {name: hash_text(text) for name, text in files.items()}
    evidence = summarize(
        record.events, figures.facts(), _read_traffic(house, record, order, plan), hashes
    )
    record.keep("evidence.json", json.dumps(evidence, indent=2, default=str) + "\n")
    record.keep("evidence.md", render_page(evidence))
    write_index(house.releases)


def _read_traffic(
    house: House, record: Record, order: Order, plan: Plan | None
) -> dict[str, object] | None:
    if plan is None:
        return None
    try:
        log = house.engine.logs(plan.gateway.id, since=record.started.timestamp())
    except EngineError as error:
        house.emit(Warned(f"real traffic is not in the evidence: {error.message}"))
        return None
    return count_traffic(log, order.service).facts()
