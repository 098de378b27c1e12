"""Storing files."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import uuid4

import httpx
import pytest
from assets_forms import BOUNDARY, FORM_TYPE, assert_problem, form, picture, post, upload
from assets_processes import AssetsService

UPLOADERS = 20


def test_a_stored_file_is_found_where_its_location_says(client: httpx.Client) -> None:
    """Storing answers 201 with a Location, and that address answers with the same bytes."""
    content = os.urandom(1000)
    answer = client.post("/assets/", files={"file": ("holiday.dat", content)})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/assets/{answer.json()['id']}"
    assert client.get(answer.headers["location"]).content == content


def test_what_is_known_of_a_file(shared_service: AssetsService) -> None:
    """An asset has its name, size, digest, type, picture size, owner and time."""
    owner, content = uuid4(), picture("PNG", (7, 5))
    with shared_service.client(owner) as client:
        asset = upload(client, content, "Größe 😀.png")
        assert client.get(f"/assets/{asset['id']}/meta").json() == asset
    assert datetime.fromisoformat(asset.pop("created_at")).utcoffset() is not None
    assert asset == {
        "id": asset["id"],
        "name": "Größe 😀.png",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "content_type": "image/png",
        "width": 7,
        "height": 5,
        "owner": str(owner),
    }


@pytest.mark.parametrize("size", [0, 1, 65_536, 262_144, 262_145, 9_000_001])
def test_a_file_of_any_size_is_kept_whole(client: httpx.Client, size: int) -> None:
    """Whatever its size, a file comes back as it was sent."""
    content = os.urandom(size)
    asset = upload(client, content)
    answer = client.get(f"/assets/{asset['id']}")
    assert (asset["size"], answer.headers["content-length"]) == (size, str(size))
    assert answer.content == content


def test_content_that_looks_like_the_form_around_it_is_kept(client: httpx.Client) -> None:
    """Boundaries that are not quite boundaries, cut anywhere, are content."""
    content = b"\r\n--".join([BOUNDARY[:-1], BOUNDARY.upper(), b"-", b"\r", b"\n--" + BOUNDARY])
    whole = form(content * 50)

    def crumbs() -> Iterator[bytes]:
        for start in range(0, len(whole), 7):
            yield whole[start : start + 7]

    answer = post(client, crumbs())
    assert answer.status_code == 201
    assert client.get(answer.headers["location"]).content == content * 50


def test_a_file_without_a_name_has_one(client: httpx.Client) -> None:
    """A part that names no file is a file all the same."""
    body = b'--%b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhello\r\n--%b--\r\n'
    answer = post(client, body % (BOUNDARY, BOUNDARY))
    assert (answer.status_code, answer.json()["name"]) == (201, "unnamed")


def test_the_same_file_twice_is_two_assets(client: httpx.Client) -> None:
    """Nothing is ever overwritten: each upload has an id of its own."""
    first, second = upload(client, b"same", "same.txt"), upload(client, b"same", "same.txt")
    assert first["id"] != second["id"]
    assert client.delete(f"/assets/{first['id']}").status_code == 204
    assert client.get(f"/assets/{second['id']}").content == b"same"


def test_parallel_uploads_are_all_kept(service: AssetsService) -> None:
    """Files that come in at once are all stored, each with its own bytes, and nothing else is."""

    def send(number: int) -> tuple[str, bytes]:
        content = os.urandom(300_000 + number)
        with service.client() as client:
            return upload(client, content)["id"], content

    with ThreadPoolExecutor(UPLOADERS) as pool:
        sent = list(pool.map(send, range(UPLOADERS)))
    with service.client() as client:
        for asset_id, content in sent:
            assert client.get(f"/assets/{asset_id}").content == content
    plain = [asset_id.replace("-", "") for asset_id, _content in sent]
    assert service.files() == sorted(f"{name[:2]}/{name}" for name in plain)


BROKEN_FORMS: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no form": (b"hello", 400),
    "no boundary at the end": (form(b"hello")[:-10], 400),
    "cut in the content": (form(b"hello" * 100)[:300], 400),
    "cut in the headers": (form(b"hello")[:60], 400),
    "another boundary": (form(b"hello").replace(BOUNDARY, b"other"), 400),
    "a header without a name": (form(b"hello").replace(b"Content-Type:", b":"), 400),
    "a header of 100,000 bytes": (form(b"hello", kind=b"x" * 100_000), 400),
    "100 headers": (form(b"hello", kind=b"x\r\nX-A: b" * 100), 400),
    "no file": (b"--%b--\r\n" % BOUNDARY, 422),
    "another field": (form(b"hello").replace(b'name="file"', b'name="other"'), 422),
    "no disposition": (form(b"hello").replace(b"Content-Disposition", b"X-Other"), 422),
    "not form-data": (form(b"hello").replace(b"form-data", b"attachment"), 422),
    "two files": (form(b"a")[: -len(BOUNDARY) - 6] + form(b"b"), 422),
    "a field after the file": (
        form(b"a")[: -len(BOUNDARY) - 6] + form(b"b").replace(b'"file"', b'"b"'),
        422,
    ),
}


@pytest.mark.parametrize("case", BROKEN_FORMS)
def test_a_bad_form_is_refused(service: AssetsService, case: str) -> None:
    """A broken form is 400, one with something else than one file 422; nothing is kept of it."""
    body, status = BROKEN_FORMS[case]
    with service.client() as client:
        assert_problem(post(client, body), status)
        assert client.get("/assets/").json()["assets"] == []
    assert service.files() == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 415),
        ("application/json", 415),
        ("multipart/mixed; boundary=a", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "x" * 71, 400),
    ],
)
def test_a_body_that_is_not_called_a_form_is_refused(
    client: httpx.Client, content_type: str, status: int
) -> None:
    """Anything but a multipart form is 415; a form without a boundary cannot be read."""
    answer = client.post("/assets/", content=b"a", headers={"Content-Type": content_type})
    assert_problem(answer, status)


def test_a_compressed_form_is_refused(client: httpx.Client) -> None:
    """A body in another encoding is 415: unpacked it might be of any size."""
    assert_problem(post(client, form(b"a"), **{"Content-Encoding": "gzip"}), 415)


def test_a_bad_form_says_where(client: httpx.Client) -> None:
    """A refusal names the place, and repeats nothing of what was sent."""
    answer = post(client, form(b"hunter2", b"../hunter2"))
    [fault] = assert_problem(answer, 422)["errors"]
    assert fault["at"] == "body.file.filename"
    assert "hunter2" not in answer.text


def test_form_type_is_as_clients_write_it(client: httpx.Client) -> None:
    """A boundary may be quoted, and the type be in any case."""
    quoted = {"Content-Type": f'Multipart/Form-Data; charset=utf-8; Boundary="{BOUNDARY.decode()}"'}
    assert client.post("/assets/", content=form(b"a"), headers=quoted).status_code == 201
    assert FORM_TYPE["Content-Type"] != quoted["Content-Type"]
