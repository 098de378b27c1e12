"""Requests whose answers the witness could not see, since the way to the gateway was cut. Pure.

The gateway's log knows of some what became of them. Of the others nobody does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator import grpc
from orchestrator.evidence.samples import tell_unexpected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.evidence.samples import Sample

# What NGINX logs of a client that went before it had asked, or before it was answered.
GONE = (400, 408, 499)


class Trace(NamedTuple):
    """What the gateway's log says of one request."""

    status: int
    target: str  # who was to answer


def find_traces(events: Sequence[Mapping[str, Any]]) -> dict[str, Trace]:
    """Return what a release has recorded of the gateway's log, by the name of each request."""
    traces: dict[str, Trace] = {}
    for event in events:
        if event["event"] == "traced":
            traces |= {
                name: Trace(int(status), str(target))
                for name, (status, target) in event["answers"].items()
            }
    return traces


def resolve(samples: Sequence[Sample], traces: Mapping[str, Trace]) -> list[Sample]:
    """Return the samples, those that were not seen with what the log says of them.

    One that was answered as others of its kind were is not lost, one that was answered otherwise is. Of a
    call of gRPC the log has no status.
    """
    right: dict[str, set[int]] = defaultdict(set)
    for sample in samples:
        if sample.lost is None and sample.status is not None:
            right[sample.request].add(sample.status)
    return [
        _resolve(sample, trace, right[sample.request] or {int(HTTPStatus.OK)})
        if sample.unseen
        and not sample.request.startswith(grpc.CALL)
        and (trace := traces.get(sample.unseen))
        else sample
        for sample in samples
    ]


def _resolve(sample: Sample, trace: Trace, right: set[int]) -> Sample:
    if trace.status in GONE:
        return sample
    found = replace(sample, status=trace.status, served=trace.target)
    if trace.status in right:
        return replace(found, lost=None)
    return replace(found, lost=tell_unexpected(trace.status, sorted(right)), unseen="")
