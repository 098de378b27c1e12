"""Parts and copies: what a client has already, and what it still wants (RFC 9110)."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple

from starlette.datastructures import Headers

from assets.catalog import Asset
from assets.problems import Refusal

_ONE_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class Span(NamedTuple):
    """The bytes from `start` up to, and without, `end`."""

    start: int
    end: int


class RangeNotSatisfiableError(Refusal):
    """None of the bytes asked for exists."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__("no such range in the file")
        self.headers = {"Content-Range": f"bytes */{size}"}


def etag_of(asset: Asset) -> str:
    """Write the entity tag: a file's content never changes, and this names it."""
    return f'"{asset.sha256}"'


def last_modified_of(asset: Asset) -> str:
    """Write the Last-Modified date, in whole seconds."""
    return format_datetime(asset.created_at.astimezone(UTC).replace(microsecond=0), usegmt=True)


def has_copy(headers: Headers, asset: Asset) -> bool:
    """Tell whether the client's copy is the asset, so that 304 is enough."""
    tags = headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or etag_of(asset) in _TAG.findall(tags)
    since = date_of(headers.get("if-modified-since"))
    return since is not None and asset.created_at.replace(microsecond=0) <= since


def wanted_span(headers: Headers, asset: Asset) -> Span | None:
    """Tell which bytes a client wants; None is all. Raise `RangeNotSatisfiableError`.

    A range that is not understood, several at once, or one of another content: all.
    """
    found = _ONE_RANGE.fullmatch(headers.get("range", ""))
    if found is None or not is_current(headers.get("if-range"), asset):
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        span = Span(max(0, asset.size - int(last)), asset.size)
    elif last and int(last) < int(first):
        return None
    else:
        span = Span(int(first), min(int(last) + 1, asset.size) if last else asset.size)
    if span.start >= span.end:
        raise RangeNotSatisfiableError(asset.size)
    return span


def is_current(if_range: str | None, asset: Asset) -> bool:
    """Tell whether a client that has a part of some content has it of this one."""
    return if_range is None or if_range.strip() in {etag_of(asset), last_modified_of(asset)}


def date_of(text: str | None) -> datetime | None:
    """Read an HTTP date. None for what is none."""
    try:
        date = None if text is None else parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date is None or date.tzinfo is not None else date.replace(tzinfo=UTC)
