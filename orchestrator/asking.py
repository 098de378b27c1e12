"""One question over plain HTTP: a connection of its own, and the whole answer.

That is all the loopback needs. A client with pools, proxies and certificates would take a tenth of a
second of CPU before a release has its first event.
"""

from __future__ import annotations

import http.client
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ASKER = {"User-Agent": "stackctl", "Accept": "*/*", "Connection": "close"}


class Unanswered(Exception):
    """No whole answer came. Its text is one word on how far it got, such as `ConnectError`."""


class Answer(NamedTuple):
    """What was answered."""

    status: int
    body: bytes = b""
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
    ) -> Answer:
        """Return the answer of a host and port; `timeout` is in seconds."""


def ask_once(
    where: tuple[str, int],
    path: str,
    timeout: float,
    *,
    method: str = "GET",
    headers: Mapping[str, str] = {},
) -> Answer:
    """Ask over a connection of its own. Raises Unanswered."""
    connection = http.client.HTTPConnection(*where, timeout=timeout)
    try:
        _connect(connection)
        connection.request(method, path, headers={**ASKER, **headers})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), _join(answer.getheaders()))
    except http.client.HTTPException as error:
        raise Unanswered("RemoteProtocolError") from error
    except TimeoutError as error:
        raise Unanswered("ReadTimeout") from error
    except OSError as error:
        raise Unanswered("ReadError") from error
    finally:
        connection.close()


def _join(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their names; one that is there twice has both values."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def _connect(connection: http.client.HTTPConnection) -> None:
    try:
        connection.connect()
    except TimeoutError as error:
        raise Unanswered("ConnectTimeout") from error
    except OSError as error:
        raise Unanswered("ConnectError") from error
