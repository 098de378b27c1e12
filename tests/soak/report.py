"""The report of a soak as Markdown: pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tests.soak.census import SETTLE
from tests.soak.clients import DRAIN, KEEPALIVE, RATE, SLOW, SOCKETS
from tests.soak.journey import KEPT_IMAGES, PRUNE_EVERY, plan
from tests.soak.verdict import EQUAL, Row, compare, ends, measure_commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.soak.journey import Journey, Release

MOST_TOLD = 20  # losses that are listed one by one


def compare_ends(journey: Journey) -> list[Row]:
    """Return every figure at the start and at the end, what the commands left behind as well."""
    first, last = measure_commands([r.ran for r in journey.releases if r.verb == "deploy"])
    rows = compare(journey.start | first, journey.end | last)
    return [*rows, Row("processes that outlived their `stackctl`", 0, journey.left, EQUAL)]


def is_whole(journey: Journey) -> bool:
    """Tell whether all releases were made and the last count was taken."""
    steps = plan(journey.deploys, journey.rollbacks)
    return len(journey.releases) == len(steps) and bool(journey.end)


def has_held(journey: Journey) -> bool:
    """Tell whether nothing was lost and nothing grew, over the whole way."""
    lost = journey.crowd.lost + journey.warm_up.lost
    grown = [row for row in compare_ends(journey) if row.met is False]
    return is_whole(journey) and not lost and not grown


def write(journey: Journey, machine: Mapping[str, str]) -> str:
    """Return the report."""
    parts = [
        "# Soak",
        judge(journey),
        describe(journey),
        "## Requests",
        *tell_requests(journey),
        "## What is held at the start and at the end",
        *tell_census(journey),
        "## How long a release takes",
        *tell_times(journey.releases),
        "## Where it was measured",
        table(("", ""), [*machine.items(), *journey.versions.items()]),
    ]
    return "\n\n".join(parts) + "\n"


def judge(journey: Journey) -> str:
    """Return the verdict in one line."""
    crowd, releases = journey.crowd, journey.releases
    deploys = sum(release.verb == "deploy" for release in releases)
    grown = [row.name for row in compare_ends(journey) if row.met is False]
    counted = f"{crowd.sent:,} requests sent, {crowd.lost:,} lost"
    way = f"{several(deploys, 'deploy')} and {several(len(releases) - deploys, 'rollback')}"
    facts = [f"{counted}, over {way} in {minutes(journey.seconds)}"]
    if journey.warm_up.lost:
        facts.append(f"{journey.warm_up.lost:,} lost in the warm-up")
    if not is_whole(journey):
        facts.append("it did not come to its end")
    elif grown:
        facts.append(f"not as at the start: {', '.join(grown)}")
    else:
        facts.append("what the stack holds at the end is what it held at the start")
    return f"**{'Held' if has_held(journey) else 'Not held'}: {'; '.join(facts)}.**"


def describe(journey: Journey) -> str:
    """Return what was done, in a few sentences."""
    rollbacks = several(journey.rollbacks, "rollback")
    return (
        f"`make soak` releases versions v2 to v{journey.deploys + 1} of the tests' app under load,"
        f" each with the build of an image, with {rollbacks} in between; it runs"
        f" `stackctl prune --keep {KEPT_IMAGES}` after every {PRUNE_EVERY} releases and at the end."
        f" The app has two replicas; the gateway announces a keep-alive of {KEEPALIVE:g} s, and"
        f" `drain_timeout` is {DRAIN:g} s."
    )


def tell_requests(journey: Journey) -> Iterator[str]:
    """Yield what each kind of client sent, and how strict it is."""
    crowd = journey.crowd
    rows = [
        (name, f"{tally.sent:,}", f"{tally.lost:,}", f"{tally.closed:,}" if tally.closed else "")
        for name, tally in crowd.tallies.items()
    ]
    total = ("**all**", f"**{crowd.sent:,}**", f"**{crowd.lost:,}**", "")
    yield table(("client", "sent", "lost", "closed by a drain"), [*rows, total])
    sent = f"sent {crowd.rate:.1f} on average" if crowd.rate else "did not come to tell its count"
    yield (
        f"k6 was to send {RATE} requests a second and {sent}; its library sends a GET"
        " again where a kept connection closes, never a POST. No other client sends anything twice:"
        " any answer but the expected one is a lost request, and so is a connection that closes"
        " after a request was written. The kept POSTs idle from 0.05 s to just over"
        f" {KEEPALIVE:g} s in between; {crowd.closed_early} of their connections were closed within the announced"
        f" time, before a request was written. {len(SLOW)} slow GETs are in flight all the time,"
        f" {SLOW[0]:g} to {SLOW[-1]:g} s each, and one POST is always half-sent."
    )
    yield (
        f"{SOCKETS} WebSockets ask for an echo every second. One that is cut at least {DRAIN:g} s"
        " after the first switch it lived through is closed by a drain, an echo still in the air or"
        " not, and connects anew; one that is cut earlier counts as lost, as does an echo that is"
        " wrong or does not come."
    )
    if journey.warm_up.lost:
        yield f"In the warm-up {journey.warm_up.lost:,} of {journey.warm_up.sent:,} were lost."
    yield from _list_losses(journey)


def _list_losses(journey: Journey) -> Iterator[str]:
    losses = [
        f"- {name}: {loss}"
        for crowd in (journey.warm_up, journey.crowd)
        for name, tally in crowd.tallies.items()
        for loss in tally.losses
    ]
    if losses:
        yield "\n".join(losses[:MOST_TOLD])
    if len(losses) > MOST_TOLD:
        yield f"… and {len(losses) - MOST_TOLD} more."


def tell_census(journey: Journey) -> Iterator[str]:
    """Yield the figures at both ends, and when they were taken."""
    rows = [
        (row.name, number(row.start), number(row.end), str(row.limit), mark(row.met))
        for row in compare_ends(journey)
    ]
    yield table(("figure", "start", "end", "allowed", ""), rows)
    yield (
        "The start is counted after three deploys and a rollback under the same load and a prune,"
        f" so that an active and a previous version and {KEPT_IMAGES} images are there; the end after"
        f" the last prune. Both times nobody sends, the last old worker has gone and {SETTLE:g} s"
        " have passed; the figure is the median of five. Memory is what is resident, summed over"
        " NGINX's processes, shared pages each time. For `stackctl deploy` start and end are the"
        " medians of the first and the last ten deploys; the `docker build` that it starts is not"
        " in them. The two figures of the whole engine hold what others do there as well. At most"
        f" {journey.most_leaving} old workers were leaving at once."
    )


def tell_times(releases: Sequence[Release]) -> Iterator[str]:
    """Yield how long the first and the last releases took."""
    rows = []
    for verb in ("deploy", "rollback"):
        found = [release.ran.seconds for release in releases if release.verb == verb]
        if not found:
            continue
        for name, seconds in zip(("first", "last"), ends(found), strict=True):
            shown = (f"{value:.1f}" for value in (min(seconds), median(seconds), max(seconds)))
            rows.append((f"{verb}, {name} {len(seconds)}", *shown))
    yield table(("seconds", "min", "median", "max"), rows)
    codes = sorted({str(release.ran.code) for release in releases})
    outcomes = sorted({release.outcome for release in releases})
    yield (
        "From the start of the command to its end, with Python's start, the build of the image, and"
        " a drain that slow requests and WebSockets make long. Outcomes:"
        f" {', '.join(outcomes) or 'none'}; exit codes: {', '.join(codes) or 'none'}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Return a figure as people write it."""
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def mark(met: bool | None) -> str:  # noqa: FBT001  it is the value that is shown
    """Return a verdict as a word."""
    return "not judged" if met is None else "yes" if met else "**NO**"


def several(count: int, what: str) -> str:
    """Return a number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def minutes(seconds: float) -> str:
    """Return a duration as people say it."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s"
