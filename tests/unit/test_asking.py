"""A question over HTTP, to servers that say what the test wants, byte for byte."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import Answer, Unanswered, ask_once
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0


class Server:
    """Takes one connection, reads one request and answers with bytes; None keeps it waiting."""

    def __init__(self, said: bytes | None) -> None:
        self.request = b""
        self._said = said
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
                connection.sendall(self._said)


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


def test_where_nobody_listens_no_answer_comes() -> None:
    """It says that the connection was refused."""
    with pytest.raises(Unanswered, match="ConnectError"):
        ask_once(("127.0.0.1", free_port()), "/health", PATIENCE)
