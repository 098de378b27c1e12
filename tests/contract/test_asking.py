"""A question over HTTP, to servers that say what the test wants, byte for byte."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import LARGEST, Answer, Unanswered, ask_once
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0


class Server:
    """Takes one connection, reads one request and answers with bytes; None keeps it waiting.

    What it says `again`, it says without an end: every `pause` seconds.
    """

    def __init__(self, said: bytes | None, again: bytes = b"", pause: float = 0.0) -> None:
        self.request = b""
        self.sent = 0
        self._said = said
        self._again = again
        self._pause = pause
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    @contextmanager
    def running(self) -> Iterator[int]:
        """Give the port."""
        self._thread.start()
        try:
            yield self._socket.getsockname()[1]
        finally:
            self._over.set()
            self._thread.join()
            self._socket.close()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            while b"\r\n\r\n" not in self.request:
                self.request += connection.recv(4096)
            if self._said is None:
                self._over.wait(PATIENCE)
            else:
                with suppress(OSError):  # whoever asked has heard enough
                    self._say(connection, self._said)

    def _say(self, connection: socket.socket, said: bytes) -> None:
        connection.sendall(said)
        while self._again and not self._over.wait(self._pause):
            connection.sendall(self._again)
            self.sent += len(self._again)


def ask_server(said: bytes | None, timeout: float = PATIENCE) -> Answer:
    """Ask a server that says this."""
    with Server(said).running() as port:
        return ask_once(("127.0.0.1", port), "/health", timeout)


def test_a_question_is_one_get_on_a_connection_of_its_own() -> None:
    """The server is told that nothing follows, and who asks."""
    server = Server(b"HTTP/1.1 204 No Content\r\n\r\n")
    with server.running() as port:
        assert ask_once(("127.0.0.1", port), "/probe/a:8000/health", PATIENCE) == Answer(204)
    first, *headers = server.request.decode().split("\r\n")
    assert first == "GET /probe/a:8000/health HTTP/1.1"
    assert {"Connection: close", "User-Agent: stackctl", f"Host: 127.0.0.1:{port}"} <= set(headers)


def test_an_answer_has_its_status_its_body_and_its_headers() -> None:
    """Names of headers are found in any case; what comes twice is one value."""
    answer = ask_server(
        b'HTTP/1.1 503 Busy\r\nX-One: a\r\nx-one: b\r\nContent-Length: 12\r\n\r\n{"a": "\xc3\xa9"} '
    )
    assert (answer.status, answer.good, answer.header("X-ONE")) == (503, False, "a, b")
    assert (answer.json(), answer.text, answer.header("Via")) == ({"a": "é"}, '{"a": "é"} ', "")


def test_an_answer_in_chunks_is_put_together() -> None:
    """Its end is where its sender says so."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert ask_server(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n").body == b"abc"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "RemoteProtocolError"),
        (b"nonsense\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "RemoteProtocolError"),
        (None, "ReadTimeout"),
    ],
)
def test_half_an_answer_is_none(said: bytes | None, reason: str) -> None:
    """A server that hangs up, talks nonsense or says nothing has not answered."""
    with pytest.raises(Unanswered, match=reason):
        ask_server(said, PATIENCE if said is not None else 0.05)


ENDLESS = {  # what is said once, what is said again and again, and the seconds between
    "a drip of chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n",
        0.02,
    ),
    "a drip without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b"ab", 0.02),
    "a drip of a long body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"ab", 0.02),
    "a head that drips": (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a", 0.02),
    "a first line that drips": (b"HTTP/1.1 200 ", b"a", 0.02),
    "answers before the answer": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X-Trailer: a\r\n",
        0.02,
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_answer_that_never_ends_is_none(kind: str) -> None:
    """The time is for all of it: each byte that comes in time is no new beginning."""
    with Server(*ENDLESS[kind]).running() as port, pytest.raises(Unanswered, match="ReadTimeout"):
        ask_once(("127.0.0.1", port), "/health", 0.3)


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n", b"a" * 65536),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"8000\r\n" + b"a" * 0x8000 + b"\r\n",
        ),
    ],
    ids=["no length", "400 MB", "chunks"],
)
def test_of_a_body_without_end_the_beginning_is_read(head: bytes, again: bytes) -> None:
    """No more than was asked for, be it 64 KiB or less."""
    for largest in (LARGEST, 10):
        server = Server(head, again)
        with server.running() as port:
            answer = ask_once(("127.0.0.1", port), "/", PATIENCE, largest=largest)
        assert answer == (200, b"a" * largest, answer.headers)
        assert server.sent < 64 * 1024**2


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-9\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["rest of the connection", "less than nothing", "answers before the answer"],
)
def test_what_fits_no_rule_takes_no_room(said: bytes) -> None:
    """A server that says more than a head and a body can need is cut off."""
    server = Server(said, said + b"a" * 65536)
    with server.running() as port, pytest.raises(Unanswered, match="RemoteProtocolError"):
        ask_once(("127.0.0.1", port), "/", PATIENCE)
    assert server.sent < 64 * 1024**2


def test_an_encoding_is_not_undone() -> None:
    """None is asked for, and one that is a lie harms nobody."""
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")
    with server.running() as port:
        assert ask_once(("127.0.0.1", port), "/", PATIENCE).json() == {}
    assert b"Accept-Encoding: identity\r\n" in server.request


def test_where_nobody_listens_no_answer_comes() -> None:
    """It says that the connection was refused."""
    with pytest.raises(Unanswered, match="ConnectError"):
        ask_once(("127.0.0.1", free_port()), "/health", PATIENCE)
