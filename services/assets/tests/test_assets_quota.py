"""What one owner may keep, and what a disk must have left."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from assets.storage import Reserve
from assets_forms import ask_raw, assert_problem, form, post, upload
from assets_issuer import Issuer
from assets_processes import AssetsService, Database

QUOTA = 1_000_000
FILES = 5
AT_ONCE = 8

Serve = Callable[..., AssetsService]


@pytest.fixture
def serve(database: Database, issuer: Issuer, tmp_path: Path) -> Iterator[Serve]:
    """Give the test services over one database and folder, with settings of their own."""
    with ExitStack() as running:

        def started(**settings: str) -> AssetsService:
            return running.enter_context(AssetsService(database, issuer, tmp_path, **settings))

        yield started


@contextmanager
def owner(service: AssetsService) -> Iterator[httpx.Client]:
    """Give a client of a new owner."""
    with service.client(uuid4()) as client:
        yield client


def test_an_owner_keeps_no_more_than_the_quota(serve: Serve) -> None:
    """What does not fit is 413 and leaves nothing; what is deleted makes room; others have theirs."""
    service = serve(ASSETS_OWNER_BYTES=str(QUOTA))
    with owner(service) as client, owner(service) as other:
        first = upload(client, os.urandom(QUOTA - 10))
        told = assert_problem(post(client, form(os.urandom(11))), 413)["detail"]
        assert told == f"an owner may keep {QUOTA} bytes, and 10 are left"
        assert upload(client, os.urandom(10))["size"] == 10
        assert len(service.files()) == service.database.rows() == 2
        assert upload(other, os.urandom(QUOTA))["size"] == QUOTA
        assert client.delete(f"/assets/{first['id']}").status_code == 204
        assert upload(client, os.urandom(QUOTA - 10))["size"] == QUOTA - 10


def test_a_length_beyond_the_quota_is_refused_at_once(serve: Serve) -> None:
    """A request that announces more than its owner has left is answered before any of it is sent."""
    service = serve(ASSETS_OWNER_BYTES=str(QUOTA))
    answer = ask_raw(
        service.port,
        b"POST",
        b"/assets/",
        b"Authorization: Bearer " + service.issuer.token(UUID(int=0)).encode(),
        b"Content-Type: multipart/form-data; boundary=a",
        b"Content-Length: %d" % (2 * QUOTA),
    )
    assert (answer.status, answer.content_type) == (413, "application/problem+json")


def test_an_owner_keeps_no_more_files_than_the_quota(serve: Serve) -> None:
    """Files without a byte count as well: one too many is 403."""
    service = serve(ASSETS_OWNER_FILES=str(FILES))
    with owner(service) as client:
        for _ in range(FILES):
            upload(client, b"")
        told = assert_problem(post(client, form(b"")), 403)["detail"]
        assert told == f"an owner may keep {FILES} files; delete some first"
    assert len(service.files()) == service.database.rows() == FILES


def test_uploads_at_once_keep_the_quota_together(serve: Serve) -> None:
    """Of many uploads at the same moment, in two replicas, as many are kept as fit."""
    settings = {"ASSETS_OWNER_BYTES": str(QUOTA)}
    services = serve(**settings), serve(**settings)
    user, content = uuid4(), os.urandom(QUOTA // 3)

    def send(number: int) -> int:
        with services[number % 2].client(user) as client:
            return post(client, form(content)).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = list(pool.map(send, range(AT_ONCE)))
    assert sorted(statuses) == [201] * 3 + [413] * (AT_ONCE - 3)
    assert len(services[0].files()) == services[0].database.rows() == 3


def test_a_disk_keeps_its_reserve(serve: Serve) -> None:
    """Where too little is free nothing is stored, with 507; what is there is served and deleted."""
    with owner(serve()) as client:
        asset = upload(client, b"early")
        token = client.headers["Authorization"]
    full = serve(ASSETS_FREE_PERCENT="99")
    with full.client() as client:
        assert_problem(post(client, form(b"late")), 507)
        assert client.get(f"/assets/{asset['id']}").content == b"early"
        assert client.get("/health").status_code == 200
        assert len(full.files()) == full.database.rows() == 1
        answer = client.delete(f"/assets/{asset['id']}", headers={"Authorization": token})
        assert answer.status_code == 204
    with owner(serve(ASSETS_FREE_BYTES=str(2**50))) as client:
        assert_problem(post(client, form(b"late")), 507)


@pytest.mark.parametrize(
    ("reserve", "room"),
    [
        (Reserve(0, 0), 30 * 4096),
        (Reserve(20, 0), 10 * 4096),
        (Reserve(30, 0), 0),
        (Reserve(50, 0), -20 * 4096),
        (Reserve(20, 25 * 4096), 5 * 4096),
        (Reserve(20, 4096), 10 * 4096),
    ],
)
def test_the_larger_reserve_counts(reserve: Reserve, room: int) -> None:
    """A share of the whole disk, or so many bytes, off what users may write."""
    fields: dict[str, Any] = {"bsize": 4096, "frsize": 4096, "blocks": 100, "bfree": 40}
    rest = [0, 0, 0, 0, 255]
    disk = os.statvfs_result((*fields.values(), 30, *rest))
    assert reserve.room(disk) == room


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASSETS_OWNER_BYTES", "0"),
        ("ASSETS_OWNER_BYTES", "4g"),
        ("ASSETS_OWNER_FILES", "-1"),
        ("ASSETS_FREE_PERCENT", "100"),
        ("ASSETS_FREE_BYTES", "-1"),
        ("ASSETS_LEAST_SPEED", "0"),
        ("ASSETS_PATIENCE_SECONDS", "0.5"),
        ("ASSETS_LONGEST_SECONDS", ""),
    ],
)
def test_a_bound_that_cannot_be_ends_the_start(serve: Serve, name: str, value: str) -> None:
    """The service does not start over a wrong bound, and names it."""
    with pytest.raises(RuntimeError, match=f"setting {name}: "):
        serve(**{name: value})
