"""What the service refuses, and how."""

import json
from collections.abc import Iterator

import httpx
import pytest

SOME_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
JSON_TYPE = {"content-type": "application/json"}
DEEP = b"[" * 100_000
LONG_NUMBER = b'{"title": %s}' % (b"9" * 5_000)

BAD_BODIES: list[tuple[bytes, int]] = [
    (b"", 422),
    (b"{", 400),
    (b'{"title": "a"', 400),
    (b"not json", 400),
    (b'{"title": "\xff"}', 400),
    (DEEP, 400),
    (LONG_NUMBER, 400),
    (b"null", 422),
    (b"[]", 422),
    (b'"a"', 422),
    (b"NaN", 422),
    (b"{}", 422),
    (b'{"title": null, "text": null}', 422),
    (b'{"title": 1, "text": 1}', 422),
    (b'{"title": true, "text": true}', 422),
    (b'{"title": {"$ne": ""}, "text": {"$ne": ""}}', 422),
    (b'{"title": "", "text": ""}', 422),
    (b'{"title": " \\t\\n", "text": ""}', 422),
    (b'{"title": "a\\u0000b", "text": "a\\u0000b"}', 422),
    (b'{"title": "\\ud800", "text": "\\udfff"}', 422),
    (b'{"title": "a", "text": "a", "\\ud800": 1}', 422),
    (b'{"title": "a", "text": "a", "owner": "me"}', 422),
    (b'{"title": "a", "text": "a", "_id": "x"}', 422),
    (json.dumps({"title": "x" * 201, "text": "x" * 201}).encode(), 422),
    (json.dumps({"title": "a", "body": "x" * 20_001, "text": "x" * 201}).encode(), 422),
    (json.dumps({"title": "a", "body": None, "text": "a", "limit": "5"}).encode(), 422),
    (json.dumps({"title": "a", "body": "\0", "text": "a", "limit": 101}).encode(), 422),
    (json.dumps(dict.fromkeys(map(str, range(10_000)), 1)).encode(), 422),
    (b" " * (256 * 1024 + 1), 413),
]
BAD_TITLES = [f"a{chr(c)}b" for c in (0, 9, 10, 0x1B, 0x7F, 0x85, 0x9B, 0x2028, 0x2029, 0x200B)]
BAD_TITLES += [f"a{chr(c)}b" for c in (0x200E, 0x202A, 0x202E, 0x2066, 0x2069, 0xFEFF, 0xE000)]
BAD_TITLES += [f"a{chr(c)}b" for c in (0xFDD0, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF, 0xE0001)]
BAD_TITLES += ["", " ", "\u3000", "\u200d", " \u200c "]
GOOD_TITLES = [
    "Groß & 😀",
    "\u0645\u06cc\u200c\u062e\u0648",
    "👩\u200d💻",
    "a\u00a0b",
    "שלום",
    "<b>",
    "%s",
]
BAD_VERSIONS = ["null", "0", "-1", "1.5", '"1"', "true", "2147483648", "1e400", "9" * 100]
BAD_TAGS = ["", "1", '"0"', '"x"', "*", '"1", "2"', 'w/"1"', '"99999999999"', '"' * 5_000]
BAD_QUERIES = [
    "limit=0",
    "limit=101",
    "limit=-1",
    "limit=x",
    "limit=",
    "limit=1.5",
    "limit=" + "9" * 5_000,
    "limit=%00",
    "after=",
    "after=x",
    "after=%00",
    "after=%FF",
    f"after={SOME_ID}%0A",
    f"after={SOME_ID.upper()}",
    "after[$ne]=1&after=1",
]


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Check that the answer is a problem document with this status, and not large."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert {"type", "title", "detail"} <= answer.json().keys()
    assert len(answer.content) < 10_000


def short(content: bytes | str) -> str:
    """Name a case by the start of its content."""
    return repr(content[:40])


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/notes/"), ("PUT", f"/notes/{SOME_ID}"), ("POST", "/notes/search")],
)
@pytest.mark.parametrize(("content", "status"), BAD_BODIES, ids=lambda value: short(str(value)))
def test_a_bad_body_is_refused(
    client: httpx.Client, method: str, path: str, content: bytes, status: int
) -> None:
    """Every route that takes a body refuses a bad one with a problem, and never fails."""
    assert_problem(client.request(method, path, content=content, headers=JSON_TYPE), status)


@pytest.mark.parametrize("title", BAD_TITLES, ids=ascii)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_title_that_cannot_be_seen_is_refused(
    client: httpx.Client, method: str, title: str
) -> None:
    """What a terminal obeys, what turns the writing round, and what is no character is no title."""
    path = "/notes/" if method == "POST" else f"/notes/{SOME_ID}"
    answer = client.request(method, path, json={"title": title, "version": 1})
    assert_problem(answer, 422)
    assert "body.title" in [error["at"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("title", GOOD_TITLES, ids=ascii)
def test_a_title_in_any_writing_is_taken(client: httpx.Client, title: str) -> None:
    """Joiners belong to scripts and to emoji."""
    assert client.post("/notes/", json={"title": title}).json()["title"] == title


@pytest.mark.parametrize("version", BAD_VERSIONS)
def test_a_bad_version_is_refused(client: httpx.Client, version: str) -> None:
    """A version is a whole number from 1 that the database can hold."""
    content = f'{{"title": "a", "version": {version}}}'
    answer = client.put(f"/notes/{SOME_ID}", content=content, headers=JSON_TYPE)
    assert_problem(answer, 422)


@pytest.mark.parametrize("tag", BAD_TAGS, ids=short)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_bad_entity_tag_is_refused(client: httpx.Client, method: str, tag: str) -> None:
    """`If-Match` takes one entity tag that a note can have."""
    content = {"title": "a"} if method == "PUT" else None
    path = f"/notes/{SOME_ID}"
    assert_problem(client.request(method, path, json=content, headers={"If-Match": tag}), 422)


def test_an_update_that_names_no_version_is_refused(client: httpx.Client) -> None:
    """Without a version, in the body or as `If-Match`, nothing says what is replaced."""
    answer = client.put(f"/notes/{SOME_ID}", json={"title": "a"})
    assert_problem(answer, 422)
    assert [error["at"] for error in answer.json()["errors"]] == ["body.version"]


def test_an_update_that_names_two_versions_is_refused(client: httpx.Client) -> None:
    """A version in the body and another as `If-Match` cannot both be meant."""
    content = {"title": "a", "version": 1}
    answer = client.put(f"/notes/{SOME_ID}", json=content, headers={"If-Match": '"2"'})
    assert_problem(answer, 422)


@pytest.mark.parametrize("query", BAD_QUERIES, ids=short)
def test_a_bad_query_is_refused(client: httpx.Client, query: str) -> None:
    """A limit or a cursor that cannot be is refused with a problem."""
    assert_problem(client.get(f"/notes/?{query}"), 422)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]
)
def test_a_body_that_is_not_called_json_is_refused(client: httpx.Client, kind: str) -> None:
    """JSON under another content type is refused: a page elsewhere could send it unasked."""
    answer = client.post("/notes/", content=b'{"title": "a"}', headers={"content-type": kind})
    assert_problem(answer, 415)


def test_a_body_of_unknown_length_is_bounded(client: httpx.Client) -> None:
    """A body sent in chunks is refused once it has passed the limit."""

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    assert_problem(client.post("/notes/", content=chunks(), headers=JSON_TYPE), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PATCH", "/notes/", 405),
        ("POST", f"/notes/{SOME_ID}", 405),
        ("GET", "/notes", 404),
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", f"/notes/{SOME_ID}/more", 404),
    ],
)
def test_what_is_not_served_is_refused_with_a_problem(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    """An unknown path or method answers with a problem document as well."""
    assert_problem(client.request(method, path), status)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("OPTIONS", "/notes/", "GET, POST"),
        ("POST", f"/notes/{SOME_ID}", "DELETE, GET, PUT"),
        ("DELETE", "/health", "GET"),
        ("POST", "/openapi.json", "GET"),
    ],
)
def test_a_path_names_all_its_methods(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    """Who uses a method that a path does not take is told all that it takes."""
    answer = client.request(method, path)
    assert_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == set(allowed.split(", "))


def test_a_problem_says_where_the_request_is_wrong(client: httpx.Client) -> None:
    """A refusal names each wrong place and repeats none of what was sent."""
    answer = client.post("/notes/", json={"title": "", "body": 7, "secret": "hunter2"})
    assert [error["at"] for error in answer.json()["errors"]] == [
        "body.title",
        "body.body",
        "body.secret",
    ]
    assert "hunter2" not in answer.text
