"""What is refused, and how."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from auth_processes import PASSWORD, assert_problem, bearer, new_email, session

JSON_TYPE = {"content-type": "application/json"}
BODY_LIMIT = 16 * 1024
ROUTES = ["/auth/register", "/auth/login", "/auth/refresh", "/auth/logout"]


def body(**fields: Any) -> bytes:
    """Write a body that every route could read, with fields of its own."""
    whole = {"email": "a@b.example", "password": PASSWORD, "refresh_token": "x", **fields}
    return json.dumps(whole).encode()


BAD_BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 422),
    "cut": (b'{"email": "a"', 400),
    "words": (b"not json", 400),
    "latin": (b'{"email": "\xff"}', 400),
    "deep": (b"[" * 15_000, 400),
    "long-number": (b'{"email": ' + b"9" * 15_000 + b"}", 400),
    "null": (b"null", 422),
    "list": (b"[]", 422),
    "nan": (b"NaN", 422),
    "nothing": (b"{}", 422),
    "nulls": (body(email=None, password=None, refresh_token=None), 422),
    "numbers": (body(email=1, password=1e308, refresh_token=2**70), 422),
    "infinity": (b'{"email": 1e999, "password": 1e999, "refresh_token": 1e999}', 422),
    "lists": (body(email=[], password=[PASSWORD], refresh_token=["x"]), 422),
    "objects": (body(email={"a": 1}, password={}, refresh_token={"$ne": ""}), 422),
    "empty-texts": (body(email="", password="", refresh_token=""), 422),
    "surrogate": (
        b'{"email": "\\ud800@b.example", "password": "\\udfff23456789012", "refresh_token": "\\udc00"}',
        422,
    ),
    "surrogate-name": (b'{"\\ud800": 1}', 422),
    "long": (body(email="x" * 300 + "@b.c", password="x" * 201, refresh_token="x" * 201), 422),
    "too-long": (b" " * (BODY_LIMIT + 1), 413),
    "many-fields": (json.dumps(dict.fromkeys(map(str, range(1000)), 1)).encode(), 422),
}
BAD_EMAILS = [
    "",
    " ",
    "a",
    "@",
    "a@",
    "@b",
    "a@@b",
    "a@b@c",
    "a b@c.example",
    "a@b c",
    "a\0@b.example",
    "a@b.example\nBcc:c@d.example",
    "a@b.\u202eexample",
    "\u200b@b.example",
    "a\u200d@b.example",
    "a@b.ex\u200cample",
    "a\ufdd0@b.example",
    "x" * 251 + "@b.c",
]
BAD_PASSWORDS = ["", "x" * 11, "x" * 201, "x" * 12 + "\0"]
BAD_NAMES = ["", " ", "\u3000", "x" * 81, "a\0b", "a\nb", "a\u202eb", 1, [], {}, True]
BAD_NAMES += [f"a{chr(c)}b" for c in (0x1B, 0x85, 0x200B, 0x200E, 0x2066, 0xE000, 0xFDD0, 0xFFFF)]
BAD_NAMES += ["\u200d", " \u200c "]
GOOD_NAMES = ["Zoë 😀", "\u0645\u06cc\u200c\u062e\u0648", "👩\u200d💻", "a\u00a0b", "שלום"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("bad", BAD_BODIES, ids=str)
def test_a_bad_body_is_refused(client: httpx.Client, route: str, bad: str) -> None:
    """Every route that takes a body refuses a bad one with a problem, and never fails."""
    content, status = BAD_BODIES[bad]
    assert_problem(client.post(route, content=content, headers=JSON_TYPE), status)


@pytest.mark.parametrize("route", ROUTES)
def test_unknown_fields_are_refused(client: httpx.Client, route: str) -> None:
    """A field that means nothing is refused rather than left unread."""
    fields = {
        "/auth/refresh": {"refresh_token": "x"},
        "/auth/logout": {"refresh_token": "x"},
    }.get(route, {"email": new_email(), "password": PASSWORD})
    answer = client.post(route, json={**fields, "admin": True})
    assert_problem(answer, 422)
    assert [error["at"] for error in answer.json()["errors"]] == ["body.admin"]


@pytest.mark.parametrize("email", BAD_EMAILS, ids=lambda text: ascii(text)[:16])
@pytest.mark.parametrize("route", ["/auth/register", "/auth/login"])
def test_a_bad_address_is_refused(client: httpx.Client, route: str, email: str) -> None:
    """What cannot be an address is refused, and the refusal names the place."""
    answer = client.post(route, json={"email": email, "password": PASSWORD})
    assert_problem(answer, 422)
    assert [error["at"] for error in answer.json()["errors"]] == ["body.email"]


@pytest.mark.parametrize("password", BAD_PASSWORDS, ids=lambda text: f"{len(text)}-{text[-1:]!a}")
def test_a_bad_new_password_is_refused(client: httpx.Client, password: str) -> None:
    """A new password has 12 to 200 characters and no NUL."""
    answer = client.post("/auth/register", json={"email": new_email(), "password": password})
    assert_problem(answer, 422)
    assert [error["at"] for error in answer.json()["errors"]] == ["body.password"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:12])
def test_a_bad_name_is_refused(client: httpx.Client, name: object) -> None:
    """A name to show can be seen, and has at most 80 characters."""
    account = {"email": new_email(), "password": PASSWORD, "display_name": name}
    assert_problem(client.post("/auth/register", json=account), 422)
    token = bearer(session(client)["access_token"])
    assert_problem(client.patch("/auth/me", json={"display_name": name}, headers=token), 422)
    assert client.get("/auth/me", headers=token).json()["display_name"] is None


@pytest.mark.parametrize("name", GOOD_NAMES, ids=ascii)
def test_a_name_in_any_writing_is_taken(client: httpx.Client, name: str) -> None:
    """Joiners belong to scripts and to emoji."""
    account = {"email": new_email(), "password": PASSWORD, "display_name": name}
    assert client.post("/auth/register", json=account).json()["display_name"] == name


def test_a_refusal_repeats_nothing(client: httpx.Client) -> None:
    """What was sent is not in the answer: it may be a password in the wrong field."""
    answer = client.post("/auth/login", json={"email": "hunter2", "password": ["hunter2"]})
    assert_problem(answer, 422)
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("route", ROUTES)
def test_a_body_that_is_not_called_json_is_refused(
    client: httpx.Client, route: str, kind: str
) -> None:
    """JSON under another content type is refused: a page elsewhere could send it unasked."""
    answer = client.post(route, content=body(), headers={"content-type": kind})
    assert_problem(answer, 415)


def test_a_body_of_unknown_length_is_bounded(client: httpx.Client) -> None:
    """A body sent in chunks is refused once it has passed the limit."""

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    assert_problem(client.post("/auth/login", content=chunks(), headers=JSON_TYPE), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/auth/login", 405),
        ("PUT", "/auth/me", 405),
        ("DELETE", "/auth/me", 405),
        ("GET", "/auth", 404),
        ("GET", "/auth/", 404),
        ("POST", "/auth/login/", 404),
        ("GET", "/docs", 404),
        ("GET", "/auth/%00", 404),
        ("GET", "/auth/..%2Fme", 404),
    ],
)
def test_what_is_not_served_is_refused_with_a_problem(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    """An unknown path or method answers with a problem document as well."""
    answer = client.request(method, path)
    assert_problem(answer, status)
    assert ("allow" in answer.headers) is (status == 405)


def test_a_path_names_all_its_methods(client: httpx.Client) -> None:
    """Who uses a method that a path does not take is told all that it takes."""
    assert client.post("/auth/me").headers["allow"] == "GET, PATCH"
    assert client.get("/auth/logout").headers["allow"] == "POST"
