"""Results and probes in words, without colour."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.errors import show_controls
from orchestrator.outline import tell_done

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.events import Probed
    from orchestrator.evidence.audit import Finding
    from orchestrator.lifecycle.forecast import Forecast, ServiceForecast
    from orchestrator.release.result import Result

WIDTH = 80  # columns of a usual terminal
VERSIONS = (128, 24, 16, 12, 8)  # characters of a version that are shown, as many as fit


def to_json(facts: object) -> str:
    """Return the one JSON document, in one line without a word that a CI system would act upon."""
    text = json.dumps(facts, default=str)
    return text.replace("##", r"#\u0023").replace("section_", r"section\u005f") + "\n"


def summarize(result: Result) -> str:
    """Return a release in a few lines: what users have now, what was lost, and where that is shown."""
    if result.members:
        return _summarize_unit(result)
    if result.outcome == "unchanged":
        return _tell_now(result)
    lines = [_tell_now(result), *_tell_gap(result), *_tell_witness(result)]
    if result.report:
        lines.append(f"report  {result.report}")
    elif result.evidence:
        lines.append(f"evidence  {result.evidence}")
    return "\n".join(lines)


def _summarize_unit(result: Result) -> str:
    """Return the leader's lines, and one for each service that goes with it."""
    first, *others = result.members
    if len({*result.runs.values()}) > 1:
        told = ", ".join(f"{name} has {has or 'none'}" for name, has in result.runs.items())
        head = [f"not whole: {told}; `stackctl up` goes on"]
    elif result.went_through:
        return "\n".join([summarize(first), *(_tell_member(one, "with ") for one in others)])
    elif len(result.members) == 1:
        return summarize(first)
    else:
        head = [_tell_now(result)]
    lines = [*head, *_tell_witness(result)]
    if result.report:
        lines.append(f"report  {result.report}")
    back = {one.service: one for one in result.members if one.went_through}  # the last of each
    left = [one for one in result.members if back.get(one.service, one) is one]
    return "\n".join([*lines, *map(_tell_member, left)])


def _tell_member(result: Result, lead: str = "") -> str:
    """Return its line and, where it had a gap, how long that was; behind it where there is room."""
    line = f"{lead}{_tell_now(result)}"
    if "gap" not in result.seconds:
        return line
    gap = _measure_gap(result)
    together = f"{line}; {gap}"
    return together if len(together) < WIDTH else f"{line}\n  {gap}"


def _tell_gap(result: Result) -> Iterator[str]:
    if "gap" in result.seconds:
        yield f"{_measure_gap(result)}: one had to end before the other"


def _measure_gap(result: Result) -> str:
    what = "closed" if result.closed else "nobody worked"
    return f"{what} for {result.seconds['gap']:.1f} s"


def _tell_witness(result: Result) -> Iterator[str]:
    witness = result.witness
    if witness.lost or (witness.sent and not witness.failure):
        gap = f"longest gap {witness.longest_gap_ms:,.0f} ms"
        away = f"{witness.turned_away:,} told to come back, " if witness.turned_away else ""
        away += f"{witness.refused:,} refused by HTTP/2, " if witness.refused else ""
        unseen = f"{witness.unseen:,} not seen, " if witness.unseen else ""
        yield f"{witness.lost:,} of {witness.sent:,} requests lost, {away}{unseen}{gap}"
    elif result.previous is not None and not witness.failure:
        yield "nothing is proven: no request of a witness was sent"
    if witness.failure:
        yield f"the witness failed: {show_controls(witness.failure)}"
    if witness.blind:
        proof = "not proven" if witness.unseen else "proven by the gateway's log in part"
        yield f"{proof}: {tell_blind(witness.blind)}"
    if witness.lost:
        yield f"lost: {tell_reasons(witness.reasons)}"
        if any(re.match("status [34]", reason) for reason in witness.reasons):
            place = f"services.{result.service}.witness"
            yield f"hint: where that answer is right, set `expect` in `{place}`"


def tell_blind(blind: Sequence[Mapping[str, float]]) -> str:
    """Return for how long a witness could not see, and since when, in UTC."""
    seconds = sum(span["seconds"] for span in blind)
    first = min((span["at"] for span in blind), default=0.0)
    since = datetime.fromtimestamp(first, UTC)
    return f"the way to the gateway was cut for {seconds:.1f} s, from {since:%H:%M:%S} UTC on"


def _tell_now(result: Result) -> str:
    """Say which version users have now, in a line that long versions do not make longer."""
    for longest in VERSIONS:
        line = _tell_serving(
            result, _shorten(result.version, longest), _shorten(result.previous or "", longest)
        )
        if len(line) < WIDTH:
            break
    return line


def _tell_serving(result: Result, version: str, previous: str) -> str:
    name, at = f"{result.service} {version}", f" at {result.url}" if result.url else ""
    if result.outcome == "unchanged":
        number = (
            f" with {_tell_replicas(result.replicas or 0)}" if result.command == "scale" else ""
        )
        return f"{name} unchanged, serves{at}{number}"
    took = f"{result.seconds['total']:.1f} s"
    if result.outcome == "deployed":
        if result.command == "scale" and result.replicas:
            return f"{name} serves{at} with {_tell_replicas(result.replicas)}, {took}"
        if result.command == "restart":
            return f"{name} serves{at} (restarted), {took}"
        again = " too" if result.previous == result.version else ""
        was = f"was {previous}{again}" if previous else "first release"
        return f"{name} serves{at} ({was}), {took}"
    if result.outcome == "failed_unsafe":
        return f"{name} failed, {took}: it is not known what users have now"
    users = f"users still have {previous}" if previous else "nobody is served, as before"
    done = tell_done(result.command)
    return f"{name} not {done}, {took}: {users if result.planned else 'nothing was changed'}"


def _tell_replicas(number: int) -> str:
    return f"{number} replica" if number == 1 else f"{number} replicas"


def _shorten(version: str, longest: int) -> str:
    return version if len(version) <= longest else f"{version[: longest - 1]}…"


def tell_reasons(reasons: Mapping[str, int]) -> str:
    """Return why requests were lost, the most frequent reason first."""
    return "; ".join(
        f"{number:,} times {show_controls(reason)}" for reason, number in reasons.items()
    )


def describe_forecast(forecast: Forecast, *, diff: bool = False) -> str:
    """Return where releases would change and do what, and what only `up` would change."""
    lines = [f"engine: {forecast.engine.told}"] if forecast.engine else []
    for found in forecast.services:
        lines.append(_tell_title(found))
        lines += [f"  {text}" for text in found.changes]
        if found.steps:
            lines.append("")
        lines += [f"  {number:>2}. {step}" for number, step in enumerate(found.steps, start=1)]
        if found.diff and diff:
            lines.append(f"\n{found.diff}")
        lines += [f"warning: {text}" for text in found.warnings]
    lines += [f"gateway: {text}; `stackctl up` takes it in" for text in forecast.gateway]
    lines += [f"drift: {text}; see `stackctl up --help`" for text in forecast.drift]
    lines += [f"warning: {text}" for text in forecast.warnings]
    return "".join(f"{line}\n" for line in lines)


def _tell_title(found: ServiceForecast) -> str:
    if found.unchanged:
        return f"{found.service} {found.version}: nothing would change"
    if found.woken:
        return f"{found.service} {found.version} was stopped, and `up` would start it again:"
    name = f"{found.service} {found.version} would be released"
    return f"{name}: nothing serves yet" if found.previous is None else f"{name}, this changes:"


def describe_findings(findings: Sequence[Finding]) -> str:
    """Return what came of past releases, one line each, and their numbers."""
    width = max((len(found.release) for found in findings), default=0)
    lines = [
        show_controls(f"{found.release:<{width}}  {_describe_finding(found)}".replace("\n", " "))
        for found in findings
    ]
    counts = Counter(found.state for found in findings)
    told = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    return "\n".join([*lines, told or "no release has left evidence yet"]) + "\n"


def _describe_finding(found: Finding) -> str:
    return ": ".join(filter(None, (found.state, found.problem, found.detail)))


def tell_access(line: str) -> str:
    """Return a line of the gateway's access log in words; any other line as it is.

    It may have the engine's time before it.
    """
    stamp, brace, rest = line.partition("{")
    if not brace or (stamp and not stamp.endswith("Z ")):
        return line
    try:
        entry = json.loads(brace + rest)
        at = datetime.fromtimestamp(float(entry["time"]), UTC)
        took = float(entry["seconds"])
        words = [str(entry[key]) for key in ("status", "method", "uri", "target", "client")]
    except (ValueError, LookupError, TypeError, OverflowError, OSError, RecursionError):
        return line
    status, method, uri, target, client = words
    whom = f" {target}" if target else ""
    when = stamp or f"{at:%Y-%m-%dT%H:%M:%S}Z "
    witness = " (witness)" if entry.get("witness") else ""
    return f"{when}{status} {method} {uri} {took * 1000:.0f} ms{whom} {client}{witness}"


def timeline(probes: Sequence[Probed]) -> list[str]:
    """Return the probes in a few lines: equal answers in a row are one line."""
    lines: list[str] = []
    for replica in dict.fromkeys(probe.replica for probe in probes):
        run: list[Probed] = []
        for probe in (probe for probe in probes if probe.replica == replica):
            if run and (probe.status, probe.detail) != (run[-1].status, run[-1].detail):
                lines.append(_describe_run(run))
                run = []
            run.append(probe)
        lines.append(_describe_run(run))
    return lines


def _describe_run(run: Sequence[Probed]) -> str:
    first, last = run[0], run[-1]
    attempts = f"{first.attempt}" if first is last else f"{first.attempt} to {last.attempt}"
    return f"{first.replica} probe {attempts}: {_answer(last)}"


def describe(probe: Probed) -> str:
    """Return one probe in a line."""
    return f"{probe.replica} probe {probe.attempt}: {_answer(probe)}"


def _answer(probe: Probed) -> str:
    status = f"{probe.status} " if probe.status else ""  # 0 is gRPC's for all that is well
    word = "healthy" if probe.healthy else probe.detail or "unhealthy"
    return f"{status}{word} ({probe.ms:g} ms)"
