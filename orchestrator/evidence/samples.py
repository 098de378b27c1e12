"""What the witness saw, one value a request, and the figures drawn from it: pure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from orchestrator import grpc
from orchestrator.evidence.notes import Note, has_promise, list_closes, list_websockets, to_note
from orchestrator.series import Answer, draw_series, percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Client = Literal["keepalive", "fresh", "slow", "http2"]
STALE = "answered by "  # how the reason of a stale answer begins
CLOSED = (
    "closed"  # as who has served: the gateway's mark of a service that takes no requests for now
)
AWAY = (HTTPStatus.SERVICE_UNAVAILABLE, grpc.UNAVAILABLE)
APART = 1.0  # seconds between two requests that were not seen, in which the witness could see again
ROUNDED = 0.001  # seconds: times of events are cut to milliseconds
Span = tuple[float, float]  # Unix times, from and to


@dataclass(frozen=True)
class Sample:
    """One request of the witness and what became of it."""

    at: float  # Unix time at which it was sent
    client: Client
    request: str  # method and path
    idle: float  # seconds the connection had idled before
    ms: float  # until the whole answer was there, or until it was clear that none comes
    status: (
        int | None
    )  # of HTTP; of gRPC, whose statuses are below 100, where the request is a call
    served: str  # `<service>_<color>/<version>`, as the gateway says
    lost: str | None  # why it counts as lost; None where the answer was the expected one
    unseen: str = ""  # by what name the gateway's log may have it, where the way there was cut
    refused: bool = False  # in HTTP/2: nobody has looked at it, so any client may send it again

    @property
    def done(self) -> float:
        """Return the Unix time at which it ended."""
        return self.at + self.ms / 1000

    @property
    def version(self) -> str:
        """Return the version that answered; empty where nobody said who did."""
        return tell_version(self.served)

    @property
    def stale(self) -> bool:
        """Return whether a version answered after the one that follows it had begun to."""
        return self.lost is not None and self.lost.startswith(STALE)

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        found = asdict(self)
        for rare in ("unseen", "refused"):
            if not found[rare]:
                del found[rare]
        return found


@dataclass(frozen=True)
class Figures:
    """The witness's testimony."""

    sent: int
    ok: int
    lost: int
    longest_gap_ms: float  # between two good answers
    p50_ms: float
    p99_ms: float
    closed_early: int  # kept connections that the gateway closed within the announced time
    versions: dict[str, int]  # good answers by version
    losses: tuple[dict[str, object], ...]
    failure: str | None  # why the witness could not testify to the end
    reasons: Mapping[str, int] = field(default_factory=dict)  # of the lost, the most frequent first
    stale: int | None = None  # of the lost: see Sample.stale; None where nobody watched for them
    closes: Mapping[str, object] = field(default_factory=dict)  # by the gateway
    websockets: Sequence[Mapping[str, object]] = ()
    turned_away: int = 0  # told to come back, while the service was closed on purpose
    unseen: int = 0  # nobody knows what became of them: the way to the gateway was cut
    by_log: int = 0  # of the ok: only the gateway's log says so, for the same reason
    blind: Sequence[Mapping[str, float]] = ()  # when that was, and for how long
    http2: int = 0  # of the sent: over a connection in HTTP/2 that others share
    refused: int = 0  # of those: neither good nor lost, since any client may send them again

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        return asdict(self)


MOST_LOSSES = 50  # that are listed one by one
MOST_REASONS = 5  # that are counted by themselves


def merge(told: Sequence[Figures]) -> Figures:
    """Return the figures of several releases as one; percentiles are those of the worst of them."""
    reasons: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    for one in told:
        reasons.update(one.reasons)
        versions.update(one.versions)
    stale = [one.stale for one in told if one.stale is not None]
    return Figures(
        sent=sum(one.sent for one in told),
        ok=sum(one.ok for one in told),
        lost=sum(one.lost for one in told),
        longest_gap_ms=max(one.longest_gap_ms for one in told),
        p50_ms=max(one.p50_ms for one in told),
        p99_ms=max(one.p99_ms for one in told),
        closed_early=sum(one.closed_early for one in told),
        versions=dict(versions),
        losses=tuple(loss for one in told for loss in one.losses)[:MOST_LOSSES],
        failure=next((one.failure for one in told if one.failure), None),
        reasons=dict(reasons.most_common(MOST_REASONS)),
        stale=sum(stale) if stale else None,
        closes=told[0].closes,
        websockets=[socket for one in told for socket in one.websockets],
        turned_away=sum(one.turned_away for one in told),
        unseen=sum(one.unseen for one in told),
        by_log=sum(one.by_log for one in told),
        blind=[span for one in told for span in one.blind],
        http2=sum(one.http2 for one in told),
        refused=sum(one.refused for one in told),
    )


def count(
    samples: Sequence[Sample],
    closed_early: int = 0,
    failure: str | None = None,
    notes: Sequence[Note] = (),
    closed: Sequence[Span] = (),
) -> Figures:
    """Return the figures of samples, whose unseen ones are resolved; `closed` is when the service was, on purpose."""
    looked_at = [sample for sample in samples if not sample.refused]
    let_in = [sample for sample in looked_at if not is_turned_away(sample, closed)]
    good = [sample for sample in let_in if sample.lost is None and not sample.unseen]
    by_log = sum(sample.lost is None for sample in let_in) - len(good)
    blind = list_blind(samples)
    lost = [sample for sample in let_in if sample.lost is not None and not sample.unseen]
    times = sorted(sample.ms for sample in good if sample.client != "slow")
    stale = sum(sample.stale for sample in lost)
    return Figures(
        sent=len(samples),
        ok=len(good) + by_log,
        lost=len(lost),
        longest_gap_ms=_find_longest_gap(good, notes, blind),
        p50_ms=percentile(times, 50),
        p99_ms=percentile(times, 99),
        closed_early=closed_early,
        versions=dict(Counter(sample.version for sample in good if sample.served)),
        losses=tuple(sample.facts() for sample in lost[:MOST_LOSSES]),
        failure=failure,
        reasons=_count_reasons(lost),
        stale=stale if stale or has_promise(notes) else None,
        closes=list_closes(notes),
        websockets=list_websockets(notes),
        turned_away=len(looked_at) - len(let_in),
        unseen=len(let_in) - len(good) - by_log - len(lost),
        by_log=by_log,
        blind=blind,
        http2=sum(sample.client == "http2" for sample in samples),
        refused=len(samples) - len(looked_at),
    )


def _count_reasons(lost: Iterable[Sample]) -> dict[str, int]:
    reasons = Counter(sample.lost for sample in lost if sample.lost)
    return dict(reasons.most_common(MOST_REASONS))


def _find_longest_gap(
    good: Iterable[Sample], notes: Iterable[Note], blind: Iterable[Mapping[str, float]]
) -> float:
    """Return the milliseconds between two good answers, unless nobody looked in between."""
    woke = [note.at for note in notes if note.note == "stood"]
    woke += [span["at"] + span["seconds"] for span in blind]
    ends = sorted(sample.done for sample in good)
    gaps = (b - a for a, b in pairwise(ends) if not any(a <= at <= b for at in woke))
    return round(max(gaps, default=0.0) * 1000, 1)


def list_blind(samples: Sequence[Sample]) -> list[dict[str, float]]:
    """Return when the way to the gateway was cut: Unix times, and for how many seconds."""
    spans: list[list[float]] = []
    for sample in sorted((one for one in samples if one.unseen), key=lambda one: one.at):
        if spans and sample.at <= spans[-1][1] + APART:
            spans[-1][1] = max(spans[-1][1], sample.done)
        else:
            spans.append([sample.at, sample.done])
    return [{"at": since, "seconds": round(until - since, 3)} for since, until in spans]


def is_turned_away(sample: Sample, closed: Iterable[Span]) -> bool:
    """Whether the gateway told a client to come back, in a time in which it was meant to.

    It has decided between the moments in which the request was sent and answered.
    """
    refused = sample.status in AWAY and sample.served == CLOSED
    return refused and any(
        sample.done >= since and sample.at <= until + ROUNDED for since, until in closed
    )


def tell_version(served: str) -> str:
    """Return the version in `<upstream>/<version>`."""
    return served.rpartition("/")[2]


def tell_stale(version: str, promised: str) -> str:
    """Return why an answer of a version that should have gone by then counts as lost."""
    return f"{STALE}{version} after {promised} had answered"


def tell_unexpected(status: int, right: Sequence[int]) -> str:
    """Return why an answer with a status that is none of the `right` ones counts as lost."""
    return f"status {status}, expected {' or '.join(map(str, right))}"


def draw_samples(
    samples: Sequence[Sample], start: float, end: float, closed: Sequence[Span] = ()
) -> dict[str, object]:
    """Return the requests over time, by version. How long a slow one took was its client's doing.

    Those that were not seen, or refused, are left out.
    """
    answers = (
        Answer(
            at=sample.done,
            version=sample.version,
            ms=sample.ms if sample.lost is None and sample.client != "slow" else None,
            failed=sample.lost is not None and not is_turned_away(sample, closed),
        )
        for sample in samples
        if not (sample.unseen or sample.refused)
    )
    return draw_series(answers, start, end)


def parse_testimony(text: str) -> tuple[list[Sample], list[Note]]:
    """Read witness.jsonl again. Raises ValueError."""
    return split_testimony(parse_entry(line) for line in text.split("\n") if line)


def split_testimony(entries: Iterable[Sample | Note]) -> tuple[list[Sample], list[Note]]:
    """Return the requests, and what else was noted."""
    samples: list[Sample] = []
    notes: list[Note] = []
    for entry in entries:
        if isinstance(entry, Sample):
            samples.append(entry)
        else:
            notes.append(entry)
    return samples, notes


def parse_entry(line: str) -> Sample | Note:
    """Read one line of witness.jsonl again. Raises ValueError."""
    try:
        fields = json.loads(line)
        fields.pop("chain", None)
        if "note" in fields:
            return to_note(fields)
        sample = Sample(**fields)
        float(sample.at + sample.ms + sample.idle)
        sample.served.rpartition("/")
        sample.unseen.rpartition("/")
        if type(sample.refused) is not bool:
            raise ValueError("`refused` is neither true nor false")
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    return sample
