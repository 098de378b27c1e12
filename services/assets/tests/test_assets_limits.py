"""Uploads that are too large, or end too early: nothing is left of them."""

import asyncio
import os
import socket
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from assets import reception
from assets.pace import Pace
from assets.reception import Limits, form_of
from assets.storage import Folder, PartFile, Reserve
from assets.turns import MAX_UPLOADS_OF_ADDRESS, MAX_UPLOADS_OF_ONE
from assets_forms import BOUNDARY, FORM_TYPE, ask_raw, assert_problem, form, post, upload
from assets_issuer import Issuer
from assets_processes import AssetsService, Database, DatabaseServer, wait_until
from starlette.requests import ClientDisconnect, Request

LIMIT = 1_000_000
ENVELOPE = 64 * 1024


@pytest.fixture
def small_service(database: Database, issuer: Issuer, tmp_path: Path) -> Iterator[AssetsService]:
    """Give the test a service that takes small files only."""
    with AssetsService(database, issuer, tmp_path, ASSETS_MAX_BYTES=str(LIMIT)) as service:
        yield service


def in_chunks(body: bytes) -> Iterator[bytes]:
    """Send without saying how much."""
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


def started_upload(
    service: AssetsService, length: int, sent: bytes, user: str = "0" * 32, address: str = ""
) -> socket.socket:
    """Open a connection, and send the start of an upload."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    head = (
        f"POST /assets/ HTTP/1.1\r\nHost: assets\r\nContent-Length: {length}\r\n"
        f"Content-Type: {FORM_TYPE['Content-Type']}\r\nX-Real-IP: {address}\r\n"
        f"Authorization: Bearer {service.issuer.token(user)}\r\n\r\n"
    )
    connection.sendall(head.encode() + sent)
    return connection


def parts(service: AssetsService) -> list[str]:
    """List the files that are coming in."""
    return [name for name in service.files() if name.endswith(".part")]


@pytest.mark.parametrize("chunked", [False, True])
def test_the_largest_file_is_taken_and_one_byte_more_is_not(
    small_service: AssetsService, *, chunked: bool
) -> None:
    """The limit counts the file's own bytes, whether the request says its length or not."""
    with small_service.client() as client:
        for size, status in ((LIMIT, 201), (LIMIT + 1, 413)):
            body = form(os.urandom(size))
            answer = post(client, in_chunks(body) if chunked else body)
            assert answer.status_code == status
    assert len(small_service.files()) == small_service.database.rows() == 1


def test_a_length_that_is_too_large_is_refused_at_once(small_service: AssetsService) -> None:
    """A request that announces too much is answered before any of it is sent."""
    token = small_service.issuer.token("0" * 32).encode()
    answer = ask_raw(
        small_service.port,
        b"POST",
        b"/assets/",
        b"Authorization: Bearer " + token,
        b"Content-Type: " + FORM_TYPE["Content-Type"].encode(),
        b"Content-Length: %d" % (LIMIT + ENVELOPE + 1),
    )
    assert (answer.status, answer.content_type) == (413, "application/problem+json")


def test_a_large_form_around_a_small_file_is_refused(small_service: AssetsService) -> None:
    """What comes after the last boundary counts as well."""
    with small_service.client() as client:
        body = form(b"small") + b"x" * (LIMIT + ENVELOPE)
        assert_problem(post(client, in_chunks(body)), 413)
    assert small_service.files() == []


def test_a_connection_outlives_a_refusal(small_service: AssetsService) -> None:
    """The rest of a refused body is passed over, and the next request is served."""
    with small_service.client() as client:
        assert_problem(post(client, form(os.urandom(2 * LIMIT))), 413)
        assert upload(client, b"next")["size"] == 4


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_hangs_up_leaves_nothing(service: AssetsService, *, reset: bool) -> None:
    """An upload whose connection ends, or breaks, is removed; the service goes on."""
    body = form(os.urandom(2_000_000))
    connection = started_upload(service, len(body), body[:1_500_000])
    wait_until(lambda: parts(service) != [])
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    wait_until(lambda: service.files() == [])
    assert service.database.rows() == 0
    with service.client() as client:
        assert upload(client, b"next")["size"] == 4
    assert "Traceback" not in service.log.read_text()


def test_a_database_that_goes_during_an_upload_leaves_nothing(
    own_server: DatabaseServer, own_service: AssetsService
) -> None:
    """Without a database at its end an upload is 503, and neither file nor row is left."""
    body = form(os.urandom(1_000_000))
    with own_service.client() as client:
        upload(client, b"first")
    with started_upload(own_service, len(body), body[:600_000]) as connection:
        wait_until(lambda: parts(own_service) != [])
        own_server.stop()
        connection.sendall(body[600_000:])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 503 ")
    assert len(own_service.files()) == 1
    own_server.start()
    assert own_service.database.rows() == 1
    with own_service.client() as client:
        wait_until(lambda: client.get("/health").status_code == 200)
        assert upload(client, b"second")["size"] == 6


def test_a_database_that_hangs_at_the_end_leaves_nothing(
    own_server: DatabaseServer, own_service: AssetsService
) -> None:
    """A database that takes requests and never answers costs a bounded time, and no asset."""
    with own_service.client() as client:
        upload(client, b"first")
        own_server.container.pause()
        assert_problem(post(client, form(b"second")), 503)
        own_server.container.unpause()
        wait_until(lambda: client.get("/health").status_code == 200)
    assert len(own_service.files()) == own_service.database.rows() == 1


def test_a_folder_that_is_gone_is_503(service: AssetsService) -> None:
    """Without its folder the service says so, and stores nothing; with it back it does."""
    hidden = service.folder.with_name("hidden")
    service.folder.rename(hidden)
    with service.client() as client:
        assert_problem(client.get("/health"), 503)
        assert_problem(post(client, form(b"a")), 503)
        assert service.database.rows() == 0
        hidden.rename(service.folder)
        assert client.get("/health").status_code == 200
        assert upload(client, b"a")["size"] == 1
    assert BOUNDARY.decode() not in service.log.read_text()


def test_one_user_keeps_nobody_else_waiting(service: AssetsService) -> None:
    """Uploads that never end take up a user's own turns, and none of the others'."""
    body = form(os.urandom(400_000))
    with ExitStack() as opened, service.client() as other:
        for _ in range(40):
            opened.enter_context(started_upload(service, len(body), body[:300_000]))
        wait_until(lambda: len(parts(service)) >= MAX_UPLOADS_OF_ONE)
        assert upload(other, b"next")["size"] == 4
        assert len(parts(service)) == MAX_UPLOADS_OF_ONE
    wait_until(lambda: parts(service) == [])
    with service.client(UUID(int=0)) as same:
        assert upload(same, b"next")["size"] == 4


def test_one_address_keeps_nobody_else_waiting(service: AssetsService) -> None:
    """Uploads of many users of one address take up its share, and none of the others'."""
    body = form(os.urandom(400_000))
    with ExitStack() as opened, service.client() as other:
        for number in range(40):
            opened.enter_context(
                started_upload(service, len(body), body[:300_000], f"{number:032}", "2001:db8::1")
            )
        wait_until(lambda: len(parts(service)) >= MAX_UPLOADS_OF_ADDRESS)
        other.headers["X-Real-IP"] = "2001:db8:0:1::1"
        assert upload(other, b"next")["size"] == 4
        assert len(parts(service)) == MAX_UPLOADS_OF_ADDRESS


def test_uploads_that_drip_are_cut_off(database: Database, issuer: Issuer, tmp_path: Path) -> None:
    """Accounts of the same address that send a byte now and then make room for an honest upload.

    Who is cut off is told so, and loses the connection.
    """
    body = form(os.urandom(400_000))
    stopped = Event()
    settings = {"ASSETS_PATIENCE_SECONDS": "3", "ASSETS_LEAST_SPEED": "50000"}
    with (
        AssetsService(database, issuer, tmp_path, **settings) as service,
        ExitStack() as opened,
        service.client() as other,
    ):
        dripping = [
            opened.enter_context(started_upload(service, len(body), body[:100], f"{number:032}"))
            for number in range(8)
            for _ in range(8)
        ]

        def drip() -> None:
            while not stopped.wait(0.2):
                for connection in dripping:
                    with suppress(OSError):
                        connection.send(b"x")

        Thread(target=drip, daemon=True).start()
        opened.callback(stopped.set)
        assert upload(other, b"next")["size"] == 4
        head = b""
        while b"\r\n\r\n" not in head:
            piece = dripping[0].recv(65_536)
            assert piece, head
            head += piece
        # What it sent meanwhile is left unread, so its connection may be reset where others just end.
        with suppress(ConnectionResetError):
            while dripping[0].recv(65_536):
                pass
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in head


def test_a_file_in_crumbs_needs_no_more_memory(tmp_path: Path) -> None:
    """However small the pieces in which it comes, no more of it is held than of others."""
    body = form(b"x" * 200_000)[:-10]
    crumbs = [body[at : at + 2] for at in range(0, len(body), 2)]
    came = iter(crumbs)

    async def receive() -> dict[str, Any]:
        crumb = next(came, None)
        if crumb is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": crumb, "more_body": True}

    async def take() -> None:
        headers = [(b"content-type", FORM_TYPE["Content-Type"].encode())]
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        limits = Limits(LIMIT, "a file may have no more", 60)
        with PartFile(Folder(tmp_path, Reserve(0, 0))) as part:
            await reception.receive(request, form_of(request), part, Pace(1, 30), limits)

    tracemalloc.start()
    try:
        with pytest.raises(ClientDisconnect):
            asyncio.run(take())
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert list(tmp_path.rglob("*.part")) == []
