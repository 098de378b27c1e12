"""Listing one's own assets, and removing them."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from assets_forms import assert_problem, upload
from assets_processes import AssetsService

REMOVERS = 8


def pages(client: httpx.Client, limit: int) -> list[list[str]]:
    """Follow the cursors from the first page to the last; the ids of each page."""
    found = []
    page = client.get("/assets/", params={"limit": limit}).json()
    found.append([asset["id"] for asset in page["assets"]])
    while page["next"] is not None:
        page = client.get("/assets/", params={"limit": limit, "after": page["next"]}).json()
        found.append([asset["id"] for asset in page["assets"]])
    return found


def test_an_empty_list_is_a_list(client: httpx.Client) -> None:
    """A user without assets gets a list, empty and without a next page."""
    answer = client.get("/assets/")
    assert (answer.status_code, answer.json()) == (200, {"assets": [], "next": None})


def test_pages_show_every_asset_once_newest_first(client: httpx.Client) -> None:
    """Whatever the page size, the pages together are all of one's assets, newest first."""
    newest_first = [upload(client, b"%d" % number)["id"] for number in range(7)][::-1]
    assert pages(client, limit=100) == [newest_first]
    assert pages(client, limit=7) == [newest_first]
    assert pages(client, limit=3) == [newest_first[:3], newest_first[3:6], newest_first[6:]]


def test_a_page_holds_20_assets_unless_told(client: httpx.Client) -> None:
    """Without a limit a page holds 20 assets."""
    for number in range(21):
        upload(client, b"%d" % number)
    page = client.get("/assets/").json()
    assert len(page["assets"]) == 20
    assert page["next"] is not None


def test_paging_is_undisturbed_by_writes(client: httpx.Client) -> None:
    """A cursor keeps its place when assets are added, and when its own asset is deleted."""
    ids = [upload(client, b"%d" % number)["id"] for number in range(4)]
    page = client.get("/assets/?limit=2").json()
    upload(client, b"later")
    client.delete(f"/assets/{page['assets'][-1]['id']}")
    rest = client.get("/assets/", params={"after": page["next"]}).json()
    assert [asset["id"] for asset in rest["assets"]] == [ids[1], ids[0]]


def test_a_list_shows_ones_own_only(shared_service: AssetsService, client: httpx.Client) -> None:
    """What others store is not listed."""
    own = upload(client, b"mine")
    with shared_service.client() as other:
        upload(other, b"theirs")
    assert client.get("/assets/").json()["assets"] == [own]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "limit=" + "9" * 5000,
        "limit=%00",
        "after=",
        "after=x",
        "after=%00",
        "after=%FF",
        "after=" + "a" * 33,
        "after=" + "a" * 31 + "%0A",
        "after=" + "a" * 31 + "=",
    ],
    ids=lambda query: query[:12] + query[36:44],
)
def test_a_bad_query_is_refused(client: httpx.Client, query: str) -> None:
    """A limit or a cursor that cannot be is refused with the place of the fault."""
    [fault] = assert_problem(client.get(f"/assets/?{query}"), 422)["errors"]
    assert fault["at"] == f"query.{query.partition('=')[0]}"


@pytest.mark.parametrize("cursor", ["A" * 32, "_" * 32, "AAAAAAAA" + "_" * 24])
def test_a_cursor_from_nowhere_is_a_place(client: httpx.Client, cursor: str) -> None:
    """A cursor that looks right but was never given is before, or after, everything."""
    own = upload(client, b"mine")
    answer = client.get("/assets/", params={"after": cursor})
    assert answer.status_code == 200
    assert answer.json()["assets"] in ([], [own])


def test_a_deleted_asset_is_gone(service: AssetsService) -> None:
    """Deleting answers 204 once; after that neither asset, nor row, nor file is there."""
    with service.client() as client:
        path = f"/assets/{upload(client, b'short-lived')['id']}"
        answer = client.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.get(path).status_code == 404
        assert client.get(f"{path}/meta").status_code == 404
        assert client.delete(path).status_code == 404
        assert client.get("/assets/").json()["assets"] == []
    assert (service.files(), service.database.rows()) == ([], 0)


def test_only_the_owner_deletes(shared_service: AssetsService, client: httpx.Client) -> None:
    """Somebody else's asset is 403, and stays."""
    asset = upload(client, b"mine")
    with shared_service.client() as other:
        assert_problem(other.delete(f"/assets/{asset['id']}"), 403)
        assert_problem(other.delete(f"/assets/{uuid4()}"), 404)
    assert client.get(f"/assets/{asset['id']}").content == b"mine"


def test_of_parallel_deletes_exactly_one_succeeds(
    shared_service: AssetsService, client: httpx.Client
) -> None:
    """An asset is deleted once, however many ask for it."""
    path = f"/assets/{upload(client, b'once')['id']}"
    token = client.headers["authorization"]

    def delete(_number: int) -> int:
        with shared_service.client() as own:
            return own.delete(path, headers={"Authorization": token}).status_code

    with ThreadPoolExecutor(REMOVERS) as pool:
        statuses = sorted(pool.map(delete, range(REMOVERS)))
    assert statuses == [204] + [404] * (REMOVERS - 1)


def test_what_is_being_read_may_be_deleted(client: httpx.Client) -> None:
    """A download that has begun goes on to its end."""
    content = b"x" * 3_000_000
    path = f"/assets/{upload(client, content)['id']}"
    with client.stream("GET", path) as answer:
        assert client.delete(path).status_code == 204
        assert answer.read() == content


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("PATCH", "/assets/", 405, "GET, POST"),
        ("PUT", f"/assets/{uuid4()}", 405, "DELETE, GET, HEAD"),
        ("DELETE", f"/assets/{uuid4()}/meta", 405, "GET"),
        ("POST", "/health", 405, "GET"),
        ("GET", "/assets", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/docs", 404, None),
    ],
    ids=["list", "asset", "meta", "health", "no slash", "root", "docs"],
)
def test_what_is_not_served_is_refused_with_a_problem(
    client: httpx.Client, method: str, path: str, status: int, allowed: str | None
) -> None:
    """An unknown path or method answers with a problem, and with the methods that there are."""
    answer = client.request(method, path)
    assert_problem(answer, status)
    assert answer.headers.get("allow") == allowed
