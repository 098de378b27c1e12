"""Uploads that are too large, or end too early: nothing is left of them."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from assets_forms import BOUNDARY, FORM_TYPE, ask_raw, assert_problem, form, post, upload
from assets_issuer import Issuer
from assets_processes import AssetsService, Database, DatabaseServer, wait_until

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


def started_upload(service: AssetsService, length: int, sent: bytes) -> socket.socket:
    """Open a connection, and send the start of an upload."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    head = (
        f"POST /assets/ HTTP/1.1\r\nHost: assets\r\nContent-Length: {length}\r\n"
        f"Content-Type: {FORM_TYPE['Content-Type']}\r\n"
        f"Authorization: Bearer {service.issuer.token('0' * 32)}\r\n\r\n"
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
