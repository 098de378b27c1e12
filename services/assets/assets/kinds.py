"""What a file is, by its content: neither its name nor the client's word counts."""

import importlib
import io
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
PDF = "application/pdf"
WEBP = "image/webp"
PNG = "image/png"

# Pixels in an image that somebody may want to see. More is a bomb: small to send, huge to decode.
MAX_PIXELS = 100_000_000
MAX_SIDE = 65_535

# What reading an image's header may cost, in bytes, and each read at least so many of them.
HEADER_BYTES = 2 * 2**20
READ_BYTES = 64

# The start and the end of a file in which its signature is looked for; puremagic's longest reach is
# 36,870 bytes from the start.
SIGNATURE_BYTES = 64 * 2**10

# puremagic's name of a type, and ours. Nothing else that it knows is taken from it, and no match
# of less than three bytes: two are found in any heap of bytes soon enough.
_OTHERS = {
    "application/zip": "application/zip",
    "application/x-gzip": "application/gzip",
    "application/x-7z-compressed": "application/x-7z-compressed",
    "application/zstd": "application/zstd",
    "audio/mpeg": "audio/mpeg",
    "audio/ogg": "audio/ogg",
    "audio/flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "video/mp4": "video/mp4",
    "video/webm": "video/webm",
}
_CONFIDENCE = 0.3

_PLUGINS = {
    "image/jpeg": "Jpeg",
    "image/gif": "Gif",
    "image/x-ms-bmp": "Bmp",
    "image/tiff": "Tiff",
}
_NAMED = {"image/x-ms-bmp": "image/bmp"}
_IMAGES = _PLUGINS.keys() | {PNG, WEBP}
INLINE = frozenset({*(_NAMED.get(image, image) for image in _IMAGES), PDF, TEXT})

# What a browser might take for a page or a drawing with scripts in it.
_MARKUP = re.compile(
    rb"\A[\s\xef\xbb\xbf]*<"
    rb"|<[\s/!?]*(doctype|html|head|body|svg|script|iframe|object|embed|form|style|xml|php)",
    re.IGNORECASE,
)


class Kind(NamedTuple):
    """A content type, and the size of an image."""

    content_type: str
    width: int | None = None
    height: int | None = None


class HeaderTooLargeError(Exception):
    """An image's header asks for more to be read than a header may have."""


def kind_of(path: Path, *, is_text: bool) -> Kind:
    """Tell what a file is."""
    found = signatures(path)
    for image in found & _IMAGES:
        if (size := image_size(path, image)) is not None:
            return Kind(_NAMED.get(image, image), *size)
    if PDF in found:
        return Kind(PDF)
    if is_text:
        return Kind(UNKNOWN if is_markup(path) else TEXT)
    return Kind(next((ours for theirs, ours in _OTHERS.items() if theirs in found), UNKNOWN))


def signatures(path: Path) -> set[str]:
    """Tell what types of file have bytes such as these at start and end."""
    import puremagic

    with path.open("rb") as file:
        start = file.read(SIGNATURE_BYTES)
        file.seek(max(len(start), path.stat().st_size - SIGNATURE_BYTES))
        ends = start + file.read(SIGNATURE_BYTES)
    try:
        found = puremagic.magic_string(ends)
    except (puremagic.PureError, ValueError):  # nothing known; nothing at all
        return set()
    return {
        match.mime_type
        for match in found
        if match.confidence >= _CONFIDENCE or match.mime_type in _IMAGES
    }


def image_size(path: Path, image: str) -> tuple[int, int] | None:
    """Read width and height from an image's header, decoding nothing. None: it is no image."""
    with Header(path) as header:
        try:
            width, height = size_in(header, image)
        except Exception:  # noqa: BLE001  made-up bytes make a reader fail in any way there is
            return None
    fits = 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS
    return (width, height) if fits else None


def size_in(header: "Header", image: str) -> tuple[int, int]:
    """Read a header of a format."""
    if image == PNG:
        return png_size(header)
    return webp_size(header) if image == WEBP else plugin_size(header, image)


def plugin_size(header: "Header", image: str) -> tuple[int, int]:
    """Let Pillow read a header; only the one format that the signature shows."""
    name = _PLUGINS[image]
    plugin = importlib.import_module(f"PIL.{name}ImagePlugin")
    with getattr(plugin, f"{name}ImageFile")(header) as opened:
        width, height = opened.size
        return width, height


def png_size(header: "Header") -> tuple[int, int]:
    """Read a PNG's first chunk. Pillow would read all before the picture, and unpack it: 2 GB of 2 MB."""
    start = header.read(33)
    whole = zlib.crc32(start[12:29]) == int.from_bytes(start[29:33])
    if start[8:16] != b"\0\0\0\rIHDR" or not whole:
        return 0, 0
    width, height = struct.unpack(">II", start[16:24])
    return width, height


def webp_size(header: "Header") -> tuple[int, int]:
    """Read a WebP's header, for which Pillow would read the whole file and ready its decoder."""
    start = header.read(30)
    if start[12:16] == b"VP8X":
        return 1 + int.from_bytes(start[24:27], "little"), 1 + int.from_bytes(
            start[27:30], "little"
        )
    if start[12:16] == b"VP8L" and start[20] == 0x2F:
        bits = int.from_bytes(start[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if start[12:16] == b"VP8 " and start[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", start[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def is_markup(path: Path) -> bool:
    """Tell whether a browser might take a text for a page."""
    with path.open("rb") as file:
        return _MARKUP.search(file.read(SIGNATURE_BYTES)) is not None


class Header(io.FileIO):
    """A file of which no more is read than a header needs."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._left = HEADER_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and count it. Many small reads are work too."""
        self._left -= HEADER_BYTES if size is None or size < 0 else max(size, READ_BYTES)
        if self._left < 0:
            raise HeaderTooLargeError
        return super().read(size) or b""
