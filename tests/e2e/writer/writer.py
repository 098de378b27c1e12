"""A service with its data in SQLite, on a volume that all of its versions share, and of which one may run.

POST /<number> writes the number down, GET / answers how many there are, GET /numbers all of them. It
notes when it begins and ends, and where another one is at work. A version `sick…` is never healthy.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = os.environ.get("SERVICE_VERSION", "dev")
DATA = Path("/data")
WRITING = threading.Lock()
DATABASE = sqlite3.connect(DATA / "numbers.db", check_same_thread=False, isolation_level=None)


def note(text: str) -> None:
    """Add a line to what all versions have done."""
    with (DATA / "log").open("a") as log:
        log.write(f"{VERSION} {text}\n")


class Handler(BaseHTTPRequestHandler):
    """Answers on kept connections."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every other answer's body waits 40 ms for an ACK

    def do_GET(self) -> None:
        """Answer what is there."""
        if self.path == "/health":
            self._answer(503 if VERSION.startswith("sick") else 200, {"version": VERSION})
            return
        with WRITING:
            rows = DATABASE.execute("SELECT number FROM numbers").fetchall()
        numbers = [number for (number,) in rows]
        told = {"numbers": numbers} if self.path == "/numbers" else {"count": len(numbers)}
        self._answer(200, {"version": VERSION, **told})

    def do_POST(self) -> None:
        """Write a number down; twice is a fault."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with WRITING:
            DATABASE.execute("INSERT INTO numbers VALUES (?)", (int(self.path.lstrip("/")),))
        self._answer(200, {"version": VERSION})

    def _answer(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the gateway logs every request."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    request_queue_size = 512
    daemon_threads = True


def main() -> None:
    """Serve until SIGTERM."""
    with (DATA / "alone").open("w") as alone:
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("is not alone")
        note("began")
        DATABASE.execute("CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY)")
        server = Server(("", 8000), Handler)
        asked = threading.Thread(target=server.shutdown)
        signal.signal(signal.SIGTERM, lambda *_: asked.start())
        server.serve_forever(poll_interval=0.05)
        with WRITING:
            note("ended")
            DATABASE.close()


if __name__ == "__main__":
    main()
