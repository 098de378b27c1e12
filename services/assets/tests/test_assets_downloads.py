"""Reading files: whole, in part, or not again."""

import os
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from assets_forms import assert_problem, picture, upload
from assets_processes import AssetsService

CONTENT = bytes(range(256)) * 4
UNKNOWN_ID = "01890a5d-ac96-474b-bcce-b302099a8057"


@pytest.fixture
def asset(client: httpx.Client) -> dict[str, Any]:
    """Give the test a stored file of 1,024 bytes."""
    return upload(client, CONTENT)


def get(client: httpx.Client, asset: dict[str, Any], **headers: str) -> httpx.Response:
    """Read an asset with headers, whose names have _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/assets/{asset['id']}", headers=named)


def test_reading_needs_no_token(client: httpx.Client, asset: dict[str, Any]) -> None:
    """Whoever has the id may read the file and what is known of it."""
    for path in (f"/assets/{asset['id']}", f"/assets/{asset['id']}/meta"):
        answer = client.get(path, headers={"Authorization": ""})
        assert answer.status_code == 200


def test_a_file_says_that_it_never_changes(client: httpx.Client, asset: dict[str, Any]) -> None:
    """Caches get a strong tag, the date of the file, and a year."""
    headers = get(client, asset).headers
    assert headers["etag"] == f'"{asset["sha256"]}"'
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["accept-ranges"] == "bytes"
    assert headers["last-modified"].endswith(" GMT")


def test_head_says_what_get_says(client: httpx.Client, asset: dict[str, Any]) -> None:
    """HEAD answers with the headers of GET, length included, and no body; it knows no ranges."""
    said = dict(get(client, asset).headers)
    answer = client.head(f"/assets/{asset['id']}", headers={"Range": "bytes=0-1"})
    heard = dict(answer.headers)
    for own in ("date", "x-request-id"):
        del said[own], heard[own]
    assert (answer.status_code, answer.content, heard) == (200, b"", said)


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, 1024),
        ("bytes=1023-1023", 1023, 1024),
        ("bytes=1000-99999999999", 1000, 1024),
        ("bytes=-1", 1023, 1024),
        ("bytes=-5000", 0, 1024),
        ("BYTES = 5-6", 5, 7),
    ],
)
def test_a_range_is_answered_with_its_bytes(
    client: httpx.Client, asset: dict[str, Any], wanted: str, start: int, end: int
) -> None:
    """A range that exists is 206, with exactly its bytes and where they are."""
    answer = get(client, asset, Range=wanted)
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1024"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=1024-2000", "bytes=-0", "bytes=9999-"])
def test_a_range_beyond_the_end_is_416(
    client: httpx.Client, asset: dict[str, Any], wanted: str
) -> None:
    """A range of which nothing exists is refused with the length that there is."""
    answer = get(client, asset, Range=wanted)
    assert_problem(answer, 416)
    assert answer.headers["content-range"] == "bytes */1024"


def test_no_range_of_an_empty_file_exists(client: httpx.Client) -> None:
    """An empty file has no first byte."""
    empty = upload(client, b"")
    assert get(client, empty).content == b""
    assert get(client, empty, Range="bytes=0-").headers["content-range"] == "bytes */0"


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=5-4",
        "bytes=-",
        "bytes=0-1,5-6",
        "bytes=a-b",
        "bytes=0x0-1",
        "bytes=--1",
        "bytes=" + "9" * 5000 + "-",
        "lines=0-1",
        "0-1",
        "",
    ],
    ids=lambda wanted: wanted[:12],
)
def test_a_range_that_is_not_understood_is_ignored(
    client: httpx.Client, asset: dict[str, Any], wanted: str
) -> None:
    """What is no single range of bytes is answered with the whole file."""
    answer = get(client, asset, Range=wanted)
    assert (answer.status_code, answer.content) == (200, CONTENT)


def test_a_range_goes_on_only_with_the_same_file(
    client: httpx.Client, asset: dict[str, Any]
) -> None:
    """If-Range: a part for who has the rest of this very file, all of it for everybody else."""
    tag, date = get(client, asset).headers["etag"], get(client, asset).headers["last-modified"]
    other_date = "Mon, 01 Jan 2001 00:00:00 GMT"
    for given, status in ((tag, 206), (date, 206), (f"W/{tag}", 200), (other_date, 200)):
        assert get(client, asset, Range="bytes=0-1", If_Range=given).status_code == status


def test_parts_put_together_are_the_file(client: httpx.Client) -> None:
    """A large file fetched range by range is the file."""
    content = os.urandom(1_500_000)
    asset = upload(client, content)
    fetched = b"".join(
        get(client, asset, Range=f"bytes={at}-{at + 399_999}").content
        for at in range(0, len(content), 400_000)
    )
    assert fetched == content


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"a,b",{}', "*"])
def test_a_copy_that_is_current_is_not_sent_again(
    client: httpx.Client, asset: dict[str, Any], form: str
) -> None:
    """If-None-Match with the file's tag, however written, is 304 and no body."""
    tags = form.format(f'"{asset["sha256"]}"')
    answer = get(client, asset, If_None_Match=tags, Range="bytes=0-1")
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"{asset["sha256"]}"'
    head = client.head(f"/assets/{asset['id']}", headers={"If-None-Match": tags})
    assert head.status_code == 304


@pytest.mark.parametrize("tags", ['"other"', "other", "", '"'])
def test_another_copy_is_sent_anew(client: httpx.Client, asset: dict[str, Any], tags: str) -> None:
    """A tag that is not the file's gets the file, whatever date comes with it."""
    later = "Fri, 01 Jan 2100 00:00:00 GMT"
    assert get(client, asset, If_None_Match=tags, If_Modified_Since=later).content == CONTENT


def test_a_copy_is_known_by_its_date_too(client: httpx.Client, asset: dict[str, Any]) -> None:
    """If-Modified-Since: 304 from the file's date on; a date that is none does not count."""
    date = get(client, asset).headers["last-modified"]
    wanted = [
        (date, 304),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 304),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 200),
        ("yesterday", 200),
        ("Fri, 99 Jan 99999999999 00:00:00 GMT", 200),
        ("Fri, 01 Jan 2100 00:00:00 -0000", 304),
    ]
    for given, status in wanted:
        assert get(client, asset, If_Modified_Since=given).status_code == status, given


@pytest.mark.parametrize("name", ["plain.bin", 'say "hi".bin', "100% & ü 😀 ; x=y.bin", "a'b.bin"])
def test_a_name_comes_back_as_it_was(client: httpx.Client, name: str) -> None:
    """The name is in the Content-Disposition: whole for new clients, and plain for old ones."""
    given = get(client, upload(client, CONTENT, name)).headers["content-disposition"]
    kind, plain, whole = given.split("; filename")
    assert kind == "attachment"
    assert plain.isascii()
    assert plain.count('"') == 2
    assert whole.startswith("*=UTF-8''")
    assert unquote(whole.removeprefix("*=UTF-8''")) == name


@pytest.mark.parametrize(
    ("content", "kind", "shown"),
    [
        (picture("JPEG"), "image/jpeg", "inline"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "application/pdf", "inline"),
        (b"just text\n", "text/plain; charset=utf-8", "inline"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream", "attachment"),
        (b"<!DOCTYPE html><p>hello", "application/octet-stream", "attachment"),
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "application/zip", "attachment"),
        (CONTENT, "application/octet-stream", "attachment"),
    ],
    ids=["jpeg", "pdf", "text", "svg", "html", "zip", "bytes"],
)
def test_only_what_is_harmless_is_shown(
    client: httpx.Client, content: bytes, kind: str, shown: str
) -> None:
    """Pictures, PDF and plain text may be shown; the rest is saved, and nothing may run."""
    headers = get(client, upload(client, content)).headers
    assert headers["content-type"] == kind
    assert headers["content-disposition"].startswith(f"{shown}; ")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize(
    "asset_id",
    [UNKNOWN_ID, UNKNOWN_ID.upper(), UNKNOWN_ID + "%0A", "x", "%00", "%FF", "0" * 32, "9" * 8000],
    ids=lambda asset_id: asset_id[:12] + asset_id[36:],
)
@pytest.mark.parametrize(
    ("method", "more"), [("GET", ""), ("HEAD", ""), ("GET", "/meta"), ("DELETE", "")]
)
def test_an_id_that_no_asset_has_is_not_found(
    client: httpx.Client, method: str, more: str, asset_id: str
) -> None:
    """An unknown or malformed id answers 404, whatever is asked of it."""
    answer = client.request(method, f"/assets/{asset_id}{more}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"


def test_a_client_that_leaves_does_no_harm(service: AssetsService) -> None:
    """A download that is broken off is closed, and the next one served."""
    content = os.urandom(20_000_000)
    with service.client() as client:
        path = f"/assets/{upload(client, content)['id']}"
        for _ in range(5):
            with client.stream("GET", path) as answer:
                next(answer.iter_raw(1000))
        assert client.get(path).content == content
    assert "Traceback" not in service.log.read_text()
