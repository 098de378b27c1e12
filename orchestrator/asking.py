"""One question over plain HTTP: a connection of its own, and an answer that is bounded.

That is all the loopback needs. A client with pools, proxies and certificates would take a tenth of a
second of CPU before a release has its first event.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ASKER = {"User-Agent": "stackctl", "Accept": "*/*", "Connection": "close"}
LARGEST = 64 * 1024  # bytes of a body that are read, where the asker does not want more
FRAMING = 1024 * 1024  # bytes that a head and the lengths of chunks may take beside the body


class Unanswered(Exception):
    """No whole answer came. Its text is one word on how far it got, such as `ConnectError`."""


class Answer(NamedTuple):
    """What was answered."""

    status: int
    body: bytes = b""  # as it was sent: no `Content-Encoding` is undone
    headers: Mapping[str, str] = {}  # their names in lower case

    @property
    def good(self) -> bool:
        """Whether it is one of success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Return what the body says as JSON. Raises ValueError."""
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """Return a header's value; empty where it is not there."""
        return self.headers.get(name.lower(), "")


class Ask(Protocol):
    """Asks one question. Raises Unanswered."""

    def __call__(
        self,
        where: tuple[str, int],
        path: str,
        timeout: float,
        *,
        method: str = "GET",
        headers: Mapping[str, str] = {},
        body: bytes = b"",
        largest: int = LARGEST,
    ) -> Answer:
        """Return the answer of a host and port within `timeout` seconds, however it comes.

        Of a body that has more than `largest` bytes, the first ones are read.
        """


def ask_once(  # noqa: PLR0913  what a question may have
    where: tuple[str, int],
    path: str,
    timeout: float,
    *,
    method: str = "GET",
    headers: Mapping[str, str] = {},
    body: bytes = b"",
    largest: int = LARGEST,
    name: str | None = None,
) -> Answer:
    """Ask over a connection of its own. Raises Unanswered.

    With a `name` it is TLS, and only with whom this machine trusts to have that name; to any
    other it says `CertificateError`.
    """
    deadline = time.monotonic() + timeout
    with _connect(where, timeout) as opened, _secure(opened, name) as secured:
        link = _Link(secured, deadline, largest + FRAMING)
        return ask_over(
            link, where, path, method=method, headers=headers, body=body, largest=largest
        )


def ask_over(
    link: Any,
    where: tuple[str, int],
    path: str,
    *,
    method: str,
    headers: Mapping[str, str],
    body: bytes,
    largest: int,
) -> Answer:
    """Ask over a link that is open: it has `sendall`, `makefile` and `close`. Raises Unanswered."""
    connection = http.client.HTTPConnection(*where)
    connection.sock = link  # as much of a socket as is needed
    try:
        connection.request(method, path, body or None, {**ASKER, **headers})
        answer = connection.getresponse()
        return Answer(answer.status, _read(answer, largest), _join(answer.getheaders()))
    except (http.client.HTTPException, ValueError) as error:  # ValueError: a length below 0
        raise Unanswered("RemoteProtocolError") from error
    except TimeoutError as error:
        raise Unanswered("ReadTimeout") from error
    except OSError as error:
        raise Unanswered("ReadError") from error


def has_address(host: str) -> bool:
    """Whether this machine has an IP address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:  # it has not, or knows nothing of the family
        return False
    return True


class _Link:
    """What http.client writes to and reads from: a socket until a moment, for so many bytes.

    A socket's own timeout begins anew with each byte: whoever drips would never be late.
    """

    def __init__(self, opened: socket.socket, deadline: float, bytes_left: int) -> None:
        self._socket = opened
        self._deadline = deadline
        self._left = bytes_left

    def makefile(self, _: str) -> io.BufferedReader:
        """Return what it reads from."""
        return io.BufferedReader(_Incoming(self))

    def sendall(self, data: bytes) -> None:
        """Send all. Raises TimeoutError."""
        self._set_timeout()
        self._socket.sendall(data)

    def receive_into(self, buffer: memoryview) -> int:
        """Read some bytes and return how many; 0 at the end. Raises TimeoutError."""
        self._set_timeout()
        count = self._socket.recv_into(buffer[: self._left]) if self._left else 0
        self._left -= count
        return count

    def close(self) -> None:
        """Leave it open: whoever opened the socket closes it, once the body is read."""

    def _set_timeout(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


class _Incoming(io.RawIOBase):
    """The bytes of a link, as a file."""

    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._link.receive_into(memoryview(buffer))


def _connect(where: tuple[str, int], timeout: float) -> socket.socket:
    try:
        return socket.create_connection(where, timeout)
    except TimeoutError as error:
        raise Unanswered("ConnectTimeout") from error
    except OSError as error:
        raise Unanswered("ConnectError") from error


def _secure(opened: socket.socket, name: str | None) -> socket.socket:
    """Return the same connection; with a name, in TLS."""
    if name is None:
        return opened
    import ssl

    context = ssl.create_default_context()
    try:
        return context.wrap_socket(opened, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise Unanswered("CertificateError") from error
    except OSError as error:  # ssl.SSLError and TimeoutError are some
        raise Unanswered("TLSError") from error


def _read(answer: http.client.HTTPResponse, largest: int) -> bytes:
    """Return the first bytes of a body. Raises IncompleteRead where it ends before it should."""
    body = answer.read(largest)
    if answer.length and len(body) < largest:
        raise http.client.IncompleteRead(body, answer.length)
    return body


def _join(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their names; one that is there twice has both values."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined
