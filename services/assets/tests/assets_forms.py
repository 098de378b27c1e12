"""Forms and files as clients send them, good and bad."""

import http.client
import io
import socket
from typing import Any, NamedTuple

import httpx
from PIL import Image

BOUNDARY = b"----a-boundary-of-tests"
FORM_TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}


class RawAnswer(NamedTuple):
    """An answer to a raw request."""

    status: int
    content_type: str
    body: bytes


def form(content: bytes, name: bytes = b"a.bin", kind: bytes = b"application/x-any") -> bytes:
    """Write a form with one file byte by byte, so that a name may hold anything."""
    quoted = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return (
        b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n'
        b"Content-Type: %b\r\n\r\n%b\r\n--%b--\r\n"
    ) % (BOUNDARY, quoted, kind, content, BOUNDARY)


def post(client: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    """Send a form."""
    return client.post("/assets/", content=body, headers={**FORM_TYPE, **headers})


def upload(client: httpx.Client, content: bytes, name: str = "a.bin") -> dict[str, Any]:
    """Store a file, and return what is known of it."""
    answer = post(client, form(content, name.encode()))
    assert answer.status_code == 201, answer.text
    asset: dict[str, Any] = answer.json()
    return asset


def picture(kind: str = "PNG", size: tuple[int, int] = (7, 5)) -> bytes:
    """Draw a small picture."""
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind)
    return file.getvalue()


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check that the answer is a problem document with this status, and not large."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail"} <= problem.keys()
    assert len(answer.content) < 10_000
    return problem


def ask_raw(port: int, method: bytes, target: bytes, *headers: bytes) -> RawAnswer:
    """Send a request whose path is exactly this, which tidy clients do not, and read the answer."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: assets", b"Connection: close", *headers]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"\r\n".join([*lines, b"", b""]))
        answer = http.client.HTTPResponse(connection, method=method.decode())
        answer.begin()
        return RawAnswer(answer.status, answer.headers.get("Content-Type", ""), answer.read())
