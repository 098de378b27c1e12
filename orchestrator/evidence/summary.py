"""From what was recorded to `evidence.json`: pure, so that anybody can draw the conclusion again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.samples import Sample, Span, count, draw_samples
from orchestrator.evidence.unseen import find_traces, resolve
from orchestrator.outline import tell_done

if TYPE_CHECKING:
    from orchestrator.evidence.notes import Note

SCHEMA = 8  # since a witness comes by HTTP/2 too

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
        "verdict": judge(ended["outcome"], witness, _last(events, "adopted"), planned, started),
        "what": _pick_wish(started, planned),
        "who": {key: started[key] for key in WHO if key in started},
        "when": {"started": started["at"], "ended": ended["at"], "seconds": ended["seconds"]},
        **_pick_record(events),
        "image": _pick_image(planned),
        "replicas": _pick(events, "replica", "name", "container"),
        "phases": _pick(events, "phase_done", "at", "phase", "seconds"),
        "gate": _pick(
            events, "probe", "at", "replica", "attempt", "healthy", "status", "ms", "detail"
        ),
        "configs": _pick(events, "switched", "at", "config", "sha256"),
        **(_pick_backups(events) | _pick_assets(events)),
        **(_pick_moves(events) | _pick_gaps(events)),
        "drain": _pick_drain(events),
        "witness": witness,
        "traffic": traffic,
        "failure": next(iter(_pick(events, "failed", "phase", "reason", "hint", "logs")), None),
        "undone": next(iter(_pick(events, "undone", "text")), None),
        "files": files,
        "previous": previous,
    }


def _pick_image(planned: Event) -> dict[str, object]:
    """Return what the image is; its name in a registry only where one has it."""
    found = {key: planned.get(key) for key in ("image", "digest")}
    return {**found, "registry": planned["registry"]} if planned.get("registry") else found


def testify(
    events: Sequence[Event], samples: Sequence[Sample], notes: Sequence[Note]
) -> dict[str, object]:
    """Return what the evidence says of the witness: its figures, and its requests over time."""
    told = _last(events, "testified")
    closed, samples = find_closed(events), resolve(samples, find_traces(events))
    figures = count(samples, told.get("closed_early", 0), told.get("failure"), notes, closed)
    return figures.facts() | {"series": draw_samples(samples, *read_span(events), closed)}


def find_closed(events: Sequence[Event]) -> list[Span]:
    """Return when the service was closed on purpose; without an end where its release died so."""
    found: list[Span] = []
    since: float | None = None
    for event in events:
        if event["event"] == "closed" and since is None:
            since = _read_time(event)
        elif event["event"] == "idle" and since is not None:
            found.append((since, _read_time(event)))
            since = None
        elif event["event"] == "adopted" and since is not None:
            found.append((since, math.inf))  # its clients were told so until they died with it
            since = None
    return found if since is None else [*found, (since, math.inf)]


def _read_time(event: Event) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def read_span(events: Sequence[Event]) -> tuple[float, float]:
    """Return the Unix times of a release's first and last event."""
    return _read_time(events[0]), _read_time(events[-1])


def judge(
    outcome: str,
    witness: Mapping[str, object],
    adopted: Event = MappingProxyType({}),
    planned: Event = MappingProxyType({}),
    started: Event = MappingProxyType({}),
) -> dict[str, object]:
    """Return the verdict: was a request lost, and what that rests on.

    What died may have lost requests that it did not come to write down. A worker has none to lose. Where a
    request was not seen, nobody knows.
    """
    sent, lost = int(str(witness["sent"])), int(str(witness["lost"]))
    if witness.get("failure") and not lost:
        return {"lossless": None, "text": f"the witness failed: {witness['failure']}"}
    if planned.get("worker"):
        return {"lossless": None, "text": "no request was witnessed: a worker answers none"}
    if sent == 0:
        return {"lossless": None, "text": "no witness: no version was serving before"}
    what = (
        tell_done(str(started.get("command")))
        if outcome == "deployed"
        else outcome.replace("_", " ")
    )
    away = witness.get("turned_away", 0)  # earlier ones do not say it
    back = f", {away} told to come back" if away else ""
    refused = witness.get("refused", 0)
    back += f", {refused} refused, which may be sent again" if refused else ""
    back += _tell_unseen(witness)
    text = f"{what}, {lost} of {sent} witness requests lost{back}"
    if lost:
        return {"lossless": False, "text": text}
    if adopted:
        return {"lossless": None, "text": f"{text} before it died"}
    return {"lossless": None if witness.get("unseen") else True, "text": text}


def _tell_unseen(witness: Mapping[str, Any]) -> str:
    """Return what the witness could not see; earlier ones do not say it."""
    unseen, by_log = witness.get("unseen", 0), witness.get("by_log", 0)
    seconds = sum(span["seconds"] for span in witness.get("blind", ()))
    why = f"the way to the gateway was cut for {seconds:.1f} s"
    told = f", {by_log} answered by the gateway's log alone" if by_log else ""
    return f"{told}, {unseen} not seen: {why}" if unseen else told


def _last(events: Sequence[Event], kind: str) -> Event:
    found: Event = {}
    for event in events:
        if event["event"] == kind:
            found = event
    return found


def _pick_wish(started: Event, planned: Event) -> dict[str, object]:
    """Return what was asked for; where that was a number of replicas, how many there were and were to be."""
    wish = {key: started[key] for key in ("command", "service", "version")}
    wish |= {key: planned.get(key) for key in ("color", "previous")}
    if started["command"] == "scale" and "replicas" in planned:
        wish["replicas"] = {"before": planned["outgoing"], "after": len(planned["replicas"])}
    return wish


def _pick_record(events: Sequence[Event]) -> dict[str, object]:
    """Return how and where it began, who has closed it in a dead one's place, and its warnings."""
    warnings = [event["text"] for event in events if event["event"] == "warning"]
    begun = _pick(events, "begun", "host", "nonce", "chained")
    adopted = _pick(events, "adopted", "doubt")
    warnings += [f"it is not signed: {each['doubt']}" for each in adopted if each["doubt"]]
    return {
        "engine": _last(events, "started").get("engine"),  # earlier ones do not say it
        "begin": begun[0] if begun else None,
        "adopted": adopted[0] if adopted else None,
        "warnings": warnings,
    }


def _pick_backups(events: Sequence[Event]) -> dict[str, object]:
    """Return what was kept before a migration; most releases keep nothing, and have no such list."""
    backups = _pick(events, "backup", "at", "accessory", "file", "size", "seconds")
    return {"backups": backups} if backups else {}


def _pick_assets(events: Sequence[Event]) -> dict[str, object]:
    """Return what the gateway has of assets; most services have none, and no such list."""
    assets = _pick(events, "assets", "at", "files", "size", "copied", "others", "total")
    return {"assets": assets} if assets else {}


def _pick_moves(events: Sequence[Event]) -> dict[str, object]:
    """Return how the link was moved; a release that reloaded NGINX instead has no such list."""
    moves = _pick(events, "moved", "at", "move", "step", "active", "color", "green")
    return {"moves": moves} if moves else {}


def _pick_gaps(events: Sequence[Event]) -> dict[str, object]:
    """Return for how long nobody worked, where one color had to end before the other one started."""
    known = ("at", "seconds", "closed")  # earlier ones do not say whether it was closed
    gaps = [{key: e[key] for key in known if key in e} for e in events if e["event"] == "idle"]
    return {"gaps": gaps} if gaps else {}


def _pick_drain(events: Sequence[Event]) -> dict[str, object] | None:
    """Return how the old version went; one that went with its workers says how many those were."""
    drained = next((event for event in events if event["event"] == "drained"), None)
    known = ("seconds", "workers", "cut")
    return {key: drained[key] for key in known if key in drained} if drained else None


def _pick(events: Sequence[Event], kind: str, *keys: str) -> list[dict[str, object]]:
    return [{key: event[key] for key in keys} for event in events if event["event"] == kind]
