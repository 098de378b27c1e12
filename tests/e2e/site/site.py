"""A single-page application: it has the files of its own version, and answers all else with its page."""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = os.environ["SERVICE_VERSION"]
FOLDER = Path("/site")


class Handler(BaseHTTPRequestHandler):
    """Answers on kept connections."""

    protocol_version = "HTTP/1.1"
    timeout = 75
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer with a file where there is one, else with the page."""
        path = self.path.partition("?")[0]
        file = FOLDER / path.strip("/")
        if path == "/health":
            self._answer("application/json", f'{{"version": "{VERSION}"}}')
        elif path.endswith((".js", ".svg")) and file.is_file():
            self._answer("text/x-of-the-app", file.read_text())
        else:
            self._answer("text/html", f"<html>page of {VERSION}</html>")

    def _answer(self, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the gateway logs every request."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once: a busy machine drops what comes beyond its queue."""

    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Server(("", 8000), Handler).serve_forever()
