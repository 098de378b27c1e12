"""The reception: from the socket to the disk in small pieces, whatever the size of the file."""

import asyncio
from typing import NamedTuple

from fastapi import Request

from assets.multipart import Form, WrongTypeError
from assets.pace import Pace, TooSlowError
from assets.problems import Refusal
from assets.storage import PartFile, in_thread

# What a form may hold beside the file.
ENVELOPE_BYTES = 64 * 2**10

# Gathered before it is written; this and one chunk is what an upload needs of memory. Of crumbs
# less is gathered, as each is an object with a head larger than itself.
WRITE_BYTES = 256 * 2**10
WRITE_PIECES = 1000


class TooLargeError(Refusal):
    """The file is larger than files may be, or than what its owner has left."""

    status = 413


class Limits(NamedTuple):
    """What one upload may take: bytes, why no more, and seconds."""

    most_bytes: int
    because: str
    longest_seconds: float


def form_of(request: Request) -> Form:
    """Refuse at once what the headers show to be no upload."""
    form = Form(request.headers.get("content-type", ""))
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongTypeError("the body must not be compressed")
    return form


def announced(request: Request) -> int:
    """Tell how many bytes the request says to have; 0 where it does not say."""
    return int(request.headers.get("content-length", "0"))


def refuse_too_large(limits: Limits, size: int, taken: int) -> None:
    """Raise `TooLargeError` if a file, or the form around it, has more bytes than it may have."""
    if size > limits.most_bytes or taken > limits.most_bytes + ENVELOPE_BYTES:
        raise TooLargeError(limits.because)


async def receive(request: Request, form: Form, part: PartFile, pace: Pace, limits: Limits) -> str:
    """Write the file of a request into its part, and return its name.

    Raise `TooSlowError` if it takes too long, `TooLargeError`, and the form's and the disk's errors.
    """
    whole = asyncio.timeout(limits.longest_seconds)
    try:
        async with whole:
            await _take(request, form, part, pace, limits)
    except TimeoutError:
        if not whole.expired():
            raise
        raise TooSlowError("the upload took too long") from None
    return form.finish()


async def _take(request: Request, form: Form, part: PartFile, pace: Pace, limits: Limits) -> None:
    taken = held = size = 0
    pieces: list[bytes] = []
    chunks = request.stream()
    while True:
        async with pace.waited_for():
            chunk = await anext(chunks, None)
        if chunk is None:
            break
        pace.credit(len(chunk))
        taken += len(chunk)
        found = form.feed(chunk)
        fresh = sum(map(len, found))
        size += fresh
        held += fresh
        refuse_too_large(limits, size, taken)
        pieces += found
        if held >= WRITE_BYTES or len(pieces) >= WRITE_PIECES:
            await in_thread(part.write, pieces)
            pieces, held = [], 0
    form.finish()
    await in_thread(part.write, pieces)
