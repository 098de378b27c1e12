"""A certificate authority of a test's own, which says whatever a test wants it to say."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.servers import HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable

Said = tuple[int, Any]  # status, and what is said: JSON, or bytes as they are


class Liar(HttpServer):
    """Answers over HTTP by the path: `said` has what, or what makes it of the server's URL."""

    def __init__(self, said: Callable[[str], dict[str, Said]]) -> None:
        self.asked: list[str] = []
        self.given: list[tuple[str, Any]] = []  # what was signed, by the path
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                liar.asked.append(self.path)
                liar.given += [(self.path, read_signed(given))] if given else []
                status, what = said(liar.url).get(self.path.partition("?")[0], (404, {}))
                body = what if isinstance(what, bytes) else json.dumps(what).encode()
                kind = "application/json" if status < 400 else "application/problem+json"
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", f"{liar.url}/account")
                if self.path != "/no-nonce":
                    self.send_header("Replay-Nonce", "bm9uY2U")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_POST = do_HEAD = do_GET  # noqa: N815  the names are the library's

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(Handler)
        self.url = f"http://127.0.0.1:{self.port}"


def read_signed(given: bytes) -> Any:
    """Return what a signed question says; None where that is nothing."""
    payload = str(json.loads(given)["payload"])
    said = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return json.loads(said) if said else None


def list_places(url: str, **other: str) -> dict[str, str]:
    """Return a directory of ACME; `other` has more of it, or something else."""
    names = {"newNonce": "/nonce", "newAccount": "/account", "newOrder": "/order"}
    return {name: url + path for name, path in {**names, **other}.items()}
