"""From what was recorded to `evidence.json`: pure, so that anybody can draw the conclusion again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.samples import Sample, count, draw_samples

if TYPE_CHECKING:
    from orchestrator.evidence.notes import Note

SCHEMA = 5  # since lines are chained, and it is told how the record began and who closed it

WHO = ("operator", "host", "ci", "stackctl")  # the last one is not told by earlier ones

Event = Mapping[str, Any]


def summarize(
    events: Sequence[Event],
    witness: Mapping[str, object],
    traffic: Mapping[str, object] | None,
    files: Mapping[str, str],
    previous: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Return the evidence of a release; `files` maps the names beside it to their SHA-256.

    `previous` names the release before it in the same folder, and the SHA-256 of its evidence.json.
    """
    started = _last(events, "started")
    planned = _last(events, "planned")
    ended = _last(events, "ended")
    return {
        "schema": SCHEMA,
        "release": started["release"],
        "outcome": ended["outcome"],
        "verdict": judge(ended["outcome"], witness, _last(events, "adopted"), planned),
        "what": {key: started[key] for key in ("command", "service", "version")}
        | {key: planned.get(key) for key in ("color", "previous")},
        "who": {key: started[key] for key in WHO if key in started},
        "when": {"started": started["at"], "ended": ended["at"], "seconds": ended["seconds"]},
        **_pick_record(events),
        "image": {key: planned.get(key) for key in ("image", "digest")},
        "replicas": _pick(events, "replica", "name", "container"),
        "phases": _pick(events, "phase_done", "at", "phase", "seconds"),
        "gate": _pick(
            events, "probe", "at", "replica", "attempt", "healthy", "status", "ms", "detail"
        ),
        "configs": _pick(events, "switched", "at", "config", "sha256"),
        **(_pick_moves(events) | _pick_gaps(events)),
        "drain": _pick_drain(events),
        "witness": witness,
        "traffic": traffic,
        "failure": next(iter(_pick(events, "failed", "phase", "reason", "hint", "logs")), None),
        "undone": next(iter(_pick(events, "undone", "text")), None),
        "files": files,
        "previous": previous,
    }


def testify(
    events: Sequence[Event], samples: Sequence[Sample], notes: Sequence[Note]
) -> dict[str, object]:
    """Return what the evidence says of the witness: its figures, and its requests over time."""
    told = _last(events, "testified")
    figures = count(samples, told.get("closed_early", 0), told.get("failure"), notes)
    return figures.facts() | {"series": draw_samples(samples, *read_span(events))}


def read_span(events: Sequence[Event]) -> tuple[float, float]:
    """Return the Unix times of a release's first and last event."""
    first, last = (datetime.fromisoformat(events[place]["at"]).timestamp() for place in (0, -1))
    return first, last


def judge(
    outcome: str,
    witness: Mapping[str, object],
    adopted: Event = MappingProxyType({}),
    planned: Event = MappingProxyType({}),
) -> dict[str, object]:
    """Return the verdict: was a request lost, and what that rests on.

    What died may have lost requests that it did not come to write down. A worker has none to lose.
    """
    sent, lost = int(str(witness["sent"])), int(str(witness["lost"]))
    if witness.get("failure") and not lost:
        return {"lossless": None, "text": f"the witness failed: {witness['failure']}"}
    if planned.get("worker"):
        return {"lossless": None, "text": "no request was witnessed: a worker answers none"}
    if sent == 0:
        return {"lossless": None, "text": "no witness: no version was serving before"}
    what = "released" if outcome == "deployed" else outcome.replace("_", " ")
    if lost:
        return {"lossless": False, "text": f"{what}, {lost} of {sent} witness requests lost"}
    if adopted:
        text = f"{what}, 0 of {sent} witness requests lost before it died"
        return {"lossless": None, "text": text}
    return {"lossless": True, "text": f"{what}, 0 of {sent} witness requests lost"}


def _last(events: Sequence[Event], kind: str) -> Event:
    found: Event = {}
    for event in events:
        if event["event"] == kind:
            found = event
    return found


def _pick_record(events: Sequence[Event]) -> dict[str, object]:
    """Return how the record began, who has closed it in a dead release's place, and what it warns of."""
    warnings = [event["text"] for event in events if event["event"] == "warning"]
    begun = _pick(events, "begun", "host", "nonce", "chained")
    adopted = _pick(events, "adopted", "doubt")
    warnings += [f"it is not signed: {each['doubt']}" for each in adopted if each["doubt"]]
    return {
        "begin": begun[0] if begun else None,
        "adopted": adopted[0] if adopted else None,
        "warnings": warnings,
    }


def _pick_moves(events: Sequence[Event]) -> dict[str, object]:
    """Return how the link was moved; a release that reloaded NGINX instead has no such list."""
    moves = _pick(events, "moved", "at", "move", "step", "active", "color", "green")
    return {"moves": moves} if moves else {}


def _pick_gaps(events: Sequence[Event]) -> dict[str, object]:
    """Return for how long nobody worked, where one color had to end before the other one started."""
    gaps = _pick(events, "idle", "at", "seconds")
    return {"gaps": gaps} if gaps else {}


def _pick_drain(events: Sequence[Event]) -> dict[str, object] | None:
    """Return how the old version went; one that went with its workers says how many those were."""
    drained = next((event for event in events if event["event"] == "drained"), None)
    known = ("seconds", "workers", "cut")
    return {key: drained[key] for key in known if key in drained} if drained else None


def _pick(events: Sequence[Event], kind: str, *keys: str) -> list[dict[str, object]]:
    return [{key: event[key] for key in keys} for event in events if event["event"] == kind]
