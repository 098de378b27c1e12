"""The download: from the disk to the socket in small pieces."""

import os
from collections.abc import AsyncIterator
from io import FileIO

from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from assets.catalog import Asset, AssetNotFoundError
from assets.kinds import INLINE, TEXT
from assets.names import disposition
from assets.ranges import Span, etag_of, has_copy, last_modified_of, wanted_span
from assets.storage import Folder, StorageAwayError, in_thread

READ_BYTES = 256 * 2**10


class FileResponse(StreamingResponse):
    """Some bytes of a file. It closes the file, even if the client leaves before the first."""

    def __init__(self, file: FileIO, span: Span, status: int, headers: dict[str, str]) -> None:
        super().__init__(pieces(file, span), status, headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the bytes."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


async def download(request: Request, asset: Asset, folder: Folder) -> Response:
    """Answer with the file, a part of it, or that the client has it."""
    headers = headers_of(asset)
    if has_copy(request.headers, asset):
        return Response(status_code=304, headers=headers)
    headers |= content_headers_of(asset)
    if request.method == "HEAD":  # for which ranges do not count
        return Response(headers=headers | {"Content-Length": str(asset.size)})
    span = wanted_span(request.headers, asset)
    file = await in_thread(open_file, folder, asset)
    if span is None:
        whole = Span(0, asset.size)
        return FileResponse(file, whole, 200, headers | {"Content-Length": str(asset.size)})
    headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{asset.size}"
    headers["Content-Length"] = str(span.end - span.start)
    return FileResponse(file, span, 206, headers)


def headers_of(asset: Asset) -> dict[str, str]:
    """Say what caches need: an asset's content never changes."""
    return {
        "ETag": etag_of(asset),
        "Last-Modified": last_modified_of(asset),
        "Cache-Control": "public, max-age=31536000, immutable",
    }


def content_headers_of(asset: Asset) -> dict[str, str]:
    """Say what the content is, and keep browsers from thinking otherwise or running it."""
    kind = asset.content_type
    return {
        "Content-Type": f"{kind}; charset=utf-8" if kind == TEXT else kind,
        "Content-Disposition": disposition(
            "inline" if kind in INLINE else "attachment", asset.name
        ),
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
    }


def open_file(folder: Folder, asset: Asset) -> FileIO:
    """Open an asset's file. One that is missing has just been deleted."""
    try:
        return FileIO(folder.path(asset.id))
    except FileNotFoundError:
        raise AssetNotFoundError from None
    except OSError as error:
        raise StorageAwayError from error


async def pieces(file: FileIO, span: Span) -> AsyncIterator[bytes]:
    """Read a span piece by piece."""
    at = span.start
    while at < span.end:
        piece = await in_thread(os.pread, file.fileno(), min(READ_BYTES, span.end - at), at)
        if not piece:
            raise StorageAwayError  # shorter than its row says; the client sees a cut connection
        yield piece
        at += len(piece)
