"""What the pages of a release show: its evidence put into words and order. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

from orchestrator.outline import choose_sign, sum_gaps, to_offset, to_start
from orchestrator.whereabouts import read_whereabouts

CODES = ("2xx", "3xx", "4xx", "5xx")
OPPOSITE = {"blue": "green", "green": "blue"}

Evidence = Mapping[str, Any]


class Headline(NamedTuple):
    """The verdict as the first thing that is read."""

    level: str  # good, warn or bad
    sign: str
    text: str


class Lane(NamedTuple):
    """One version in a chart."""

    version: str
    name: str
    style: str  # blue, green or other


class Phase(NamedTuple):
    """A phase in seconds from the start."""

    name: str
    start: float
    end: float
    failed: bool


class Loss(NamedTuple):
    """One request that the witness lost."""

    after: float  # seconds from the start
    request: str
    client: str
    idle: float
    text: str


class Close(NamedTuple):
    """A connection of the witness that the other side closed."""

    after: float  # seconds from the start
    request: str
    client: str
    idle: float
    text: str


class Attempts(NamedTuple):
    """Equal answers in a row of one replica to the gate."""

    replica: str
    first: int
    last: int
    status: int | None
    answer: str
    ms: float  # the slowest


def tell_verdict(evidence: Evidence) -> Headline:
    """Return what became of the release and of its users' requests."""
    outcome, lossless = evidence["outcome"], evidence["verdict"]["lossless"]
    sent, lost = evidence["witness"]["sent"], evidence["witness"]["lost"]
    kept = evidence["what"].get("previous") or "what they had"
    what = {
        "deployed": "Released",
        "reverted": f"Not released, users kept {kept}",
        "failed_unsafe": "Failed, and a person is needed",
        "interrupted": "Died half-way, and put right afterwards",
    }.get(outcome, str(outcome))
    sign = choose_sign(outcome, lossless=lossless)
    if lossless is False:
        return Headline(*sign, f"{what}: {lost:,} of {sent:,} requests lost")
    if outcome == "failed_unsafe":
        return Headline(*sign, what)
    if lossless is None:
        return Headline(*sign, f"{what}: {evidence['verdict']['text']}")
    closed = sum_gaps(evidence, closed=True)
    by_log = evidence["witness"].get("by_log")
    if by_log:
        text = f"{what}: no request lost, {by_log:,} answered by the gateway's log alone"
        return Headline(*sign, text)
    return Headline(
        *sign, f"{what}: no request lost" + (f", closed for {closed:.1f} s" if closed else "")
    )


def explain_witness(evidence: Evidence) -> str:
    """Return why the witness is to be believed, for who has never heard of it."""
    text = (
        "The witness sent requests through the public door while this ran: over kept connections,"
        " over new ones, and one that is always half-sent. None is sent twice, so each that got no"
        " answer, or another than the expected one, is lost."
    )
    if to_offset(evidence, "switch") is None:
        return text
    if evidence["witness"].get("stale") is not None:
        return (
            f"{text} Once {evidence['what']['version']} had answered, no later request may be"
            " answered by another version: such an answer is stale, and counts as lost."
        )
    return (
        f"{text} After users moved, the version before still answers those who were connected"
        " already, until the drain is over."
    )


def list_blind(evidence: Evidence) -> list[tuple[float, float]]:
    """Return when the way to the gateway was cut, in seconds from the start, and for how long."""
    start = to_start(evidence)
    return [(span["at"] - start, span["seconds"]) for span in evidence["witness"].get("blind", ())]


def tell_engine(evidence: Evidence) -> str:
    """Return which engine the release was on, in words; empty where the evidence does not say it."""
    engine = read_whereabouts(evidence.get("engine"))
    return engine.told if engine else ""


def list_lanes(evidence: Evidence, series: Mapping[str, Any]) -> list[Lane]:
    """Return the versions of a series: the previous one, the new one, then what else answered."""
    what = evidence["what"]
    new, previous, color = what["version"], what.get("previous"), what.get("color")
    names = {previous: f"{previous} (before)", new: f"{new} (new)", "": "no version answered"}
    styles = {previous: OPPOSITE.get(str(color), "other"), new: color or "other", "": "other"}
    order = [version for version in dict.fromkeys((previous, new)) if version in series["versions"]]
    order += [version for version in series["versions"] if version not in order]
    return [
        Lane(version, names.get(version, version), styles.get(version, "other"))
        for version in order
    ]


def list_phases(evidence: Evidence) -> list[Phase]:
    """Return the phases in their order; the one that failed lasts until the end."""
    phases = []
    end = 0.0
    for phase in evidence["phases"]:
        end = to_offset(evidence, phase["at"]) or 0.0
        phases.append(Phase(phase["phase"], max(end - phase["seconds"], 0.0), end, failed=False))
    failure = evidence.get("failure")
    if failure:
        over = max(evidence["when"]["seconds"], end)
        phases.append(Phase(failure["phase"], end, over, failed=True))
    return phases


def list_losses(evidence: Evidence) -> list[Loss]:
    """Return the requests that the witness lost, as far as they are listed one by one."""
    start = to_start(evidence)
    return [
        Loss(
            loss["at"] + loss["ms"] / 1000 - start,
            loss["request"],
            loss["client"],
            loss["idle"],
            loss["lost"],
        )
        for loss in evidence["witness"]["losses"]
    ]


def list_closes(evidence: Evidence) -> list[Close]:
    """Return the connections that were closed, as far as they are listed one by one."""
    start = to_start(evidence)
    return [
        Close(close["at"] - start, close["request"], close["client"], close["idle"], close["text"])
        for close in evidence["witness"].get("closes", {}).get("first", ())
    ]


def count_connections(evidence: Evidence) -> list[tuple[str, int]]:
    """Return what is newly promised of a switch, and how often it was broken.

    Evidence from before this was noted says nothing of it.
    """
    witness = evidence["witness"]
    rows = []
    if witness.get("stale") is not None:
        rows.append(("stale answers", witness["stale"]))
    if witness.get("http2"):
        rows.append(("over one connection in HTTP/2", witness["http2"]))
    if witness.get("refused"):
        rows.append(("refused in HTTP/2: any client may send them again", witness["refused"]))
    if witness.get("closes"):
        rows.append(("kept connections closed by the gateway", witness["closes"]["kept"]))
    return rows


def tell_websockets(evidence: Evidence) -> list[tuple[str, str]]:
    """Return where the witness held a WebSocket, and what became of it."""
    return [
        (f"WebSocket {websocket['request']}", _tell_websocket(evidence, websocket))
        for websocket in evidence["witness"].get("websockets", ())
    ]


def _tell_websocket(evidence: Evidence, websocket: Mapping[str, Any]) -> str:
    if websocket["opened"] is None:
        return f"did not open: {websocket['text']}"
    if websocket["end"] is None:
        return "opened; how it ended is not known"
    after = websocket["at"] - to_start(evidence)
    lasted = f"open for {websocket['seconds']:.1f} s"
    if websocket["end"] == "cut":
        return f"{lasted}, cut on its way to the gateway after {after:.1f} s"
    if websocket["end"] == "closed":
        return f"{lasted}, {websocket['text']} after {after:.1f} s"
    return f"{lasted}, left by the witness after {after:.1f} s: {websocket['text']}"


def list_marks(evidence: Evidence, source: str) -> list[tuple[float, str]]:
    """Return when, in seconds, and how requests were lost or failed.

    Each one of the witness, which is `source`; where they were too many to be listed, and of real
    clients, how many there were in each bucket.
    """
    told = evidence[source]
    if source == "witness" and len(told["losses"]) == told["lost"]:
        return [(loss.after, f"{loss.request}: {loss.text}") for loss in list_losses(evidence)]
    series = told["series"]
    word = "requests lost" if source == "witness" else "failed"
    return [
        ((number + 0.5) * series["seconds"], f"{failed:,} {word}, {version or 'no version'}")
        for version, columns in series["versions"].items()
        for number, failed in enumerate(columns["failed"])
        if failed
    ]


def list_attempts(evidence: Evidence) -> list[Attempts]:
    """Return what the gate was answered, replica by replica; equal answers in a row are one."""
    attempts = []
    replicas = dict.fromkeys(probe["replica"] for probe in evidence["gate"])
    for replica in replicas:
        own = (probe for probe in evidence["gate"] if probe["replica"] == replica)
        for _, equal in groupby(own, key=lambda p: (p["healthy"], p["status"], p["detail"])):
            run = list(equal)
            first, last = run[0], run[-1]
            answer = "healthy" if last["healthy"] else last["detail"] or "unhealthy"
            slowest = max(probe["ms"] for probe in run)
            attempts.append(
                Attempts(
                    replica, first["attempt"], last["attempt"], last["status"], answer, slowest
                )
            )
    return attempts


def list_statuses(evidence: Evidence) -> list[tuple[str, list[int]]]:
    """Return the real answers by version and status class."""
    versions = (evidence.get("traffic") or {}).get("versions") or {}
    return [
        (version or "no version", [codes.get(code, 0) for code in CODES])
        for version, codes in versions.items()
    ]
