"""A service that behaves as its version says, well or badly.

v…      well
sick…   never healthy
crash…  ends at its start
liar…   answers another version
rude…   healthy, but hangs up on every tenth POST
fickle… healthy once, then never again
shy…    healthy until the first user comes
deaf…   well, but ignores SIGTERM
login…  well, and sends each GET to a login page

At /socket it speaks WebSocket and sends back what it gets; at /events it counts on and on.
A query tells it how to answer: `?seconds=` late, `?size=` with so many bytes more, `?status=`,
`?head=Name: value` with that header, `?cookie=` with one of so many bytes, `?raw=` with just these
bytes. Who sends `X-Echo` is told what came.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = os.environ.get("SERVICE_VERSION", "dev")
USUAL = 302 if VERSION.startswith("login") else 200
POSTS = itertools.count(1)
GETS = itertools.count(1)
CHECKS = itertools.count(1)
USED = threading.Event()  # once a user came
CLOSE = 8  # the WebSocket frame that ends a connection


class InFlight:
    """Counts the requests that are being answered."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    @property
    def count(self) -> int:
        """Return how many are being answered, the one who asks included."""
        with self._changed:
            return self._count

    def wait_for_none(self) -> None:
        """Return once nothing is being answered."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0)


IN_FLIGHT = InFlight()


class Handler(BaseHTTPRequestHandler):
    """Answers on kept connections."""

    protocol_version = "HTTP/1.1"
    timeout = 75  # NGINX closes its kept connections long before
    disable_nagle_algorithm = True  # or every other answer's body waits 40 ms for an ACK

    def do_GET(self) -> None:
        """Answer who is there, the way that the query wishes."""
        url = urlsplit(self.path)
        if url.path.endswith("/socket"):
            self._echo()
            return
        if url.path.endswith("/events"):
            self._count()
            return
        with IN_FLIGHT:
            if url.path == "/health":
                self._answer_health()
                return
            USED.set()
            number = next(GETS)
            wishes = dict(parse_qsl(url.query, keep_blank_values=True))
            time.sleep(float(wishes.get("seconds", 0)))  # noqa: TID251  being slow is what it is for
            if "raw" in wishes:
                self.wfile.write(wishes["raw"].encode())
                self.close_connection = True
                return
            self._answer(
                int(wishes.get("status", USUAL)),
                {
                    "version": VERSION,
                    "replica": socket.gethostname(),
                    "number": number,
                    "in_flight": IN_FLIGHT.count,
                    "request_id": self.headers.get("X-Request-ID"),
                    "filling": "a" * int(wishes.get("size", 0)),
                    **self._tell_request(),
                },
                *_list_headers(url.query),
            )

    def do_POST(self) -> None:
        """Answer how much was sent."""
        USED.set()
        with IN_FLIGHT:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if VERSION.startswith("rude") and next(POSTS) % 10 == 0:
                self.close_connection = True
                return
            document = {"version": VERSION, "bytes": len(body), **self._tell_request()}
            self._answer(200, document)

    def _tell_request(self) -> dict[str, object]:
        """Return what came, for who wants to know."""
        if "X-Echo" not in self.headers:
            return {}
        # Not `self.path`, in which two slashes at the beginning have become one.
        return {"path": self.requestline.split(" ")[1], "headers": self.headers.items()}

    def _count(self) -> None:
        """Send numbers as server-sent events until the connection closes. No request in flight."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("X-Accel-Buffering", "no")
        self.end_headers()
        self.close_connection = True
        for number in itertools.count(1):
            self.wfile.write(f"data: {number}\n\n".encode())
            time.sleep(0.1)  # noqa: TID251  an event now and then

    def _echo(self) -> None:
        """Take the connection over (RFC 6455) and send its frames back until it closes.

        It is no request in flight: like a browser's it may stay open for ever.
        """
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.close_connection = True
        self.connection.settimeout(None)
        while len(head := self.rfile.read(2)) == 2:
            mask, length = self.rfile.read(4), head[1] & 127  # a short frame, as clients mask it
            content = self.rfile.read(length)
            plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))
            self.wfile.write(bytes([head[0], length]) + plain)
            if head[0] & 15 == CLOSE:
                return

    def _answer_health(self) -> None:
        fickle = VERSION.startswith("fickle") and next(CHECKS) > 1
        shy = VERSION.startswith("shy") and USED.is_set()
        if VERSION.startswith("sick") or fickle or shy:
            self._answer(503, {"status": "unavailable", "version": VERSION})
        else:
            version = "v0" if VERSION.startswith("liar") else VERSION
            self._answer(200, {"status": "ok", "version": version})

    def _answer(self, status: int, document: dict[str, object], *headers: tuple[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the gateway logs every request."""


def _list_headers(query: str) -> Iterator[tuple[str, str]]:
    """Yield the headers that a query wishes for."""
    for wish, value in parse_qsl(query):
        if wish == "head":
            name, _, rest = value.partition(": ")
            yield name, rest
        elif wish == "cookie":
            yield "Set-Cookie", "s=" + "a" * int(value)


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    # As many wait as Linux lets, or three: what comes beyond is dropped, and its sender tries again.
    request_queue_size = 2 if VERSION.startswith("narrow") else 512
    daemon_threads = True


def main() -> None:
    """Serve until SIGTERM, then finish what is in flight."""
    print(f"version {VERSION} starts")
    if VERSION.startswith("crash"):
        sys.exit("boom: this version cannot start")
    server = Server(("", 8000), Handler)

    def stop(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, signal.SIG_IGN if VERSION.startswith("deaf") else stop)
    server.serve_forever(poll_interval=0.05)
    IN_FLIGHT.wait_for_none()


if __name__ == "__main__":
    main()
