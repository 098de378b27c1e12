"""Users of the platform: with an account, a token, and files to send."""

from __future__ import annotations

import http.client
import json
import secrets
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from tests.e2e.operator import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.operator import Operator

PASSWORD = secrets.token_urlsafe(16)
MEGABYTE = b"\x00\x01\x02\x03\x04\x05\x06\x07" * 2**17


class User(NamedTuple):
    """Somebody with an account, and a client that carries their token."""

    client: httpx.Client
    email: str

    @property
    def authorization(self) -> str:
        """Return what stands in the header."""
        return str(self.client.headers["Authorization"])


@contextmanager
def open_client(platform: Operator) -> Iterator[httpx.Client]:
    """Give a client of the gateway."""
    base = f"http://127.0.0.1:{platform.public}"
    # Kept connections are given up before the gateway does it at the moment of a request.
    kept = httpx.Limits(keepalive_expiry=1.5)
    with httpx.Client(base_url=base, timeout=30, limits=kept, verify=False) as client:  # noqa: S501  plain HTTP
        yield client


def sign_up(client: httpx.Client) -> User:
    """Register, log in, and carry the token from now on."""
    account = {"email": f"{secrets.token_hex(6)}@example.test", "password": PASSWORD}
    register = partial(client.post, "/auth/register", json=account)
    login = partial(client.post, "/auth/login", json=account)
    # All tests come from one address, and one of them uses its logins up on purpose.
    registered = patiently(register)
    assert registered.status_code == 201, registered.text
    entered = patiently(login)
    assert entered.status_code == 200, entered.text
    client.headers["Authorization"] = f"Bearer {entered.json()['access_token']}"
    return User(client, account["email"])


def patiently(send: Callable[[], httpx.Response]) -> httpx.Response:
    """Send a request until it does not come too often any more."""

    def unless_limited() -> httpx.Response | None:
        answer = send()
        return None if answer.status_code == 429 else answer

    return wait_until(unless_limited)


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Insist on a problem document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status


def bearer(token: str) -> dict[str, str]:
    """Put a token where it belongs."""
    return {"Authorization": f"Bearer {token}"}


def store(user: User, name: str, content: bytes) -> httpx.Response:
    """Send a small file under a name that is sent as it is."""
    head, tail, kind = form_around(name)
    whole, headers = head + content + tail, {"Content-Type": kind}
    return patiently(partial(user.client.post, "/assets/", content=whole, headers=headers))


def form_around(name: str) -> tuple[bytes, bytes, str]:
    """Return what comes before and after a file's content, and what the whole is called."""
    mark = secrets.token_hex(8)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
    return head.encode(), f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def upload(platform: Operator, user: User, megabytes: int) -> Any:
    """Send a file as a browser does, as fast as it is taken."""
    head, tail, kind = form_around("large.bin")
    with closing(http.client.HTTPConnection("127.0.0.1", platform.public, timeout=120)) as wire:
        wire.putrequest("POST", "/assets/")
        wire.putheader("Authorization", user.authorization)
        wire.putheader("Content-Type", kind)
        wire.putheader("Content-Length", str(len(head) + len(MEGABYTE) * megabytes + len(tail)))
        wire.endheaders(head)
        for _ in range(megabytes):
            wire.send(MEGABYTE)
        wire.send(tail)
        answer = wire.getresponse()
        body = answer.read()
    assert answer.status == 201, body
    return json.loads(body)
