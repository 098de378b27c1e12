"""What files are: told by their content, whatever name and type the client gives them."""

import gzip
import io
import struct
import zipfile
import zlib
from typing import Any

import httpx
import pytest
from assets_forms import form, picture, post, upload
from assets_processes import AssetsService

UNKNOWN = "application/octet-stream"
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
PHP = b"<?php system($_GET['c']); ?>"
INLINE = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/tiff"}
INLINE |= {"application/pdf", "text/plain"}


def chunk(kind: bytes, content: bytes) -> bytes:
    """Write a chunk of a PNG."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(width: int, height: int, *more: bytes) -> bytes:
    """Write a PNG's header that claims a size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", b"")


def tiff(tag: int, count: int) -> bytes:
    """Write a TIFF whose directory has one entry, of a claimed length."""
    entry = struct.pack("<HHII", tag, 7, count, 8)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0) + b"x" * 100_000


def webp(kind: bytes, content: bytes) -> bytes:
    """Write the start of a WebP."""
    body = b"WEBP" + kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body


def zip_of(name: str, content: bytes) -> bytes:
    """Pack one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


TEXT_BOMB = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 900_000)) * 40
PROFILE_BOMB = chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 2**20, 9)) * 1900
JPEG_PADDING = (b"\xff\xe1" + struct.pack(">H", 65_533) + b"x" * 65_531) * 50

# content: the types that it may be called
ODDITIES: dict[str, tuple[bytes, set[str]]] = {
    "html": (HTML, {UNKNOWN}),
    "html in capitals": (HTML.upper(), {UNKNOWN}),
    "html after a mark": (b"\xef\xbb\xbf" + HTML, {UNKNOWN}),
    "html after blanks": (b" \r\n\t" * 100 + HTML, {UNKNOWN}),
    "html after text": (b"hello\n" * 1000 + HTML, {UNKNOWN}),
    "html after a comment": (b"<!-- a -->" + HTML, {UNKNOWN}),
    "html in utf-16": (b"\xff\xfe" + HTML.decode().encode("utf-16-le"), {UNKNOWN}),
    "html in utf-7": (b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-", {"text/plain"}),
    "a tag alone": (b"<b>", {UNKNOWN}),
    "svg": (SVG, {UNKNOWN}),
    "svg after xml": (b'<?xml version="1.0"?>' + SVG, {UNKNOWN}),
    "svg packed": (gzip.compress(SVG), {"application/gzip"}),
    "xml": (b'<?xml version="1.0"?><a xmlns="http://www.w3.org/1999/xhtml"/>', {UNKNOWN}),
    "php": (PHP, {UNKNOWN}),
    "php after text": (b"hello " + PHP, {UNKNOWN}),
    "a script": (b"#!/bin/sh\nrm -rf ~\n", {"text/plain"}),
    "javascript": (b"alert(document.cookie)", {"text/plain"}),
    "htaccess": (b"AddType application/x-httpd-php .png\n", {"text/plain"}),
    "a program": (b"MZ\x90\0\x03\0\0\0" + b"\0" * 100, {UNKNOWN}),
    "an elf": (b"\x7fELF\x02\x01\x01" + b"\0" * 100, {UNKNOWN}),
    "flash": (b"CWS\x0a\xff\xff\xff\xff" + b"\0" * 100, {UNKNOWN}),
    "java": (b"\xca\xfe\xba\xbe\0\0\0\x34" + b"\0" * 100, {UNKNOWN}),
    "gif and javascript": (b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)//;", {"image/gif", UNKNOWN}),
    "gif and html": (picture("GIF") + HTML, {"image/gif"}),
    "png and php": (picture() + PHP, {"image/png"}),
    "png and zip": (picture() + zip_of("a", b"b"), {"image/png"}),
    "bmp and html": (b"BM" + HTML, {UNKNOWN, "image/bmp"}),
    "jpeg and html": (b"\xff\xd8\xff\xfe\0\x40" + HTML + b"\0" * 100, {UNKNOWN}),
    "pdf and html": (b"%PDF-1.4\n" + HTML, {"application/pdf"}),
    "html and pdf": (HTML + b"\n%PDF-1.4", {UNKNOWN}),
    "zip and html": (zip_of("a.html", HTML), {"application/zip"}),
    "png of 4 billion pixels a side": (png(2**32 - 1, 2**32 - 1), {UNKNOWN}),
    "png of 10 billion pixels": (png(100_000, 100_000), {UNKNOWN}),
    "png of 50,000 by 50,000": (png(50_000, 50_000), {UNKNOWN}),
    "png of nothing": (png(0, 0), {UNKNOWN}),
    "png of one long line": (png(90_000_000, 1), {UNKNOWN}),
    "png with a broken header": (png(5, 5)[:18] + b"x" + png(5, 5)[19:], {UNKNOWN}),
    "png without a header": (b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"x" * 30), {UNKNOWN}),
    "png with a chunk of 2 GB": (b"\x89PNG\r\n\x1a\n\x7f\xff\xff\xffIHDR", {UNKNOWN}),
    "png cut short": (picture()[:20], {UNKNOWN}),
    "jpeg with 3 MB before the picture": (
        picture("JPEG")[:2] + JPEG_PADDING + picture("JPEG")[2:],
        {UNKNOWN},
    ),
    "tiff with a tag of 4 GB": (tiff(270, 2**32 - 1), {UNKNOWN}),
    "tiff that points at itself": (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", {UNKNOWN}),
    "webp of 16,383 by 16,383": (webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + b"\0" * 50), {UNKNOWN}),
    "webp of 2^24 by 2^24": (webp(b"VP8X", b"\0" * 4 + b"\xff" * 6), {UNKNOWN}),
    "webp cut short": (webp(b"VP8 ", b""), {UNKNOWN}),
    "zip bomb": (zip_of("a", b"\0" * 10_000_000), {"application/zip"}),
    "gzip bomb": (gzip.compress(b"\0" * 10_000_000), {"application/gzip"}),
    "text with a nul": (b"hello\0world", {UNKNOWN}),
    "text with a bell": (b"hello\x07world", {UNKNOWN}),
    "text cut in a character": ("grün ü".encode()[:-1], {UNKNOWN}),
    "overlong text": (b"hello \xc0\xae\xc0\xae", {UNKNOWN}),
}
CLAIMS = [
    ("a.png", "image/png"),
    ("a.jpg", "text/html"),
    ("a.html", "image/svg+xml"),
    ("a.svg", "image/png"),
    ("a.php.png", "application/x-httpd-php"),
    ("a.pdf", "text/html; charset=utf-7"),
    ("a.js", "text/javascript"),
    ("a", "application/pdf"),
]


@pytest.mark.parametrize("case", ODDITIES)
def test_odd_content_is_harmless(shared_service: AssetsService, case: str) -> None:
    """Whatever it is called, content is taken for what it is and can do nothing to who reads it."""
    content, allowed = ODDITIES[case]
    with shared_service.client() as client:
        for name, claimed in CLAIMS:
            answer = post(client, form(content, name.encode(), claimed.encode()))
            assert answer.status_code == 201
            assert answer.json()["content_type"] in allowed
            assert_cannot_run(client.get(f"/assets/{answer.json()['id']}"), content)


def assert_cannot_run(answer: httpx.Response, content: bytes) -> None:
    """Check that a browser shows a picture, PDF or text only, and runs none of it."""
    assert answer.content == content
    kind = answer.headers["content-type"].partition(";")[0]
    shown = answer.headers["content-disposition"].partition(";")[0]
    assert shown == ("inline" if kind in INLINE else "attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("WEBP", "image/webp"),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (300, 200), (1, 4000)], ids=str)
def test_a_picture_has_a_size(
    client: httpx.Client, kind: str, name: str, size: tuple[int, int]
) -> None:
    """Type, width and height of a picture are read from its header."""
    asset = upload(client, picture(kind, size), "whatever.txt")
    assert (asset["content_type"], asset["width"], asset["height"]) == (name, *size)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_every_form_of_webp_has_a_size(
    client: httpx.Client, mode: str, options: dict[str, Any]
) -> None:
    """Lossy, lossless and extended WebP are all read."""
    from PIL import Image

    file = io.BytesIO()
    Image.new(mode, (123, 45), (1, 2, 3, 4)[: len(mode)]).save(file, "WEBP", **options)
    asset = upload(client, file.getvalue())
    assert (asset["content_type"], asset["width"], asset["height"]) == ("image/webp", 123, 45)


@pytest.mark.parametrize("bomb", [TEXT_BOMB, PROFILE_BOMB], ids=["text", "profile"])
def test_what_is_packed_in_a_picture_stays_packed(client: httpx.Client, bomb: bytes) -> None:
    """A PNG's size comes first; what follows is neither read nor unpacked, to gigabytes or at all."""
    asset = upload(client, png(5, 4, bomb))
    assert (asset["content_type"], asset["width"], asset["height"]) == ("image/png", 5, 4)


def test_a_large_picture_with_its_directory_at_the_end_has_a_size(client: httpx.Client) -> None:
    """A TIFF's directory may come after the pixels; only headers count against the limit."""
    asset = upload(client, picture("TIFF", (2000, 1000)))
    assert (asset["content_type"], asset["width"], asset["height"]) == ("image/tiff", 2000, 1000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        "Grüße 😀\r\n\tja\f".encode(),
        b"BMW is a car",
        b"a < b > c",
        b"ID3",
        b"#include <x.h>",
    ],
    ids=lambda content: repr(content[:8]),
)
def test_text_is_text(client: httpx.Client, content: bytes) -> None:
    """UTF-8 that prints is text, and is shown as text."""
    asset = upload(client, content, "a.exe")
    assert (asset["content_type"], asset["width"]) == ("text/plain", None)


def test_text_stays_text_across_chunks(client: httpx.Client) -> None:
    """A character that arrives in two pieces is still one character."""
    body = form(("é" * 400_000).encode())
    answer = post(client, (body[at : at + 1013] for at in range(0, len(body), 1013)))
    assert answer.json()["content_type"] == "text/plain"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x1f\x8b\x08\0\0\0\0\0", "application/gzip"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "application/x-7z-compressed"),
        (b"ID3\x04\0\0\0\0\x0f\x76", "audio/mpeg"),
        (b"OggS\0\x02" + b"\0" * 20, "audio/ogg"),
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"RIFF\x24\x08\0\0WAVEfmt ", "audio/wav"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4"),
        (b"\x1aE\xdf\xa3\x01\0\0\0", "video/webm"),
    ],
    ids=["gzip", "7z", "mp3", "ogg", "flac", "wav", "mp4", "webm"],
)
def test_well_known_files_are_named(client: httpx.Client, content: bytes, kind: str) -> None:
    """Archives, sound and films have their types; they are saved, not shown."""
    asset = upload(client, content)
    assert asset["content_type"] == kind
    disposition = client.get(f"/assets/{asset['id']}").headers["content-disposition"]
    assert disposition.startswith("attachment")
