"""Somebody between a certificate authority and who asks it, who changes what it answers."""

from __future__ import annotations

import http.client
import ssl
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509

from tests.fakes.authority import PEM, Authority
from tests.servers import HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.pebble import Pebble

PASSED_ON = ("Content-Type", "Replay-Nonce", "Location", "Link", "Retry-After")
CERTIFICATE, ORDER, FINALIZE = "/certZ/", "/order-plz", "/finalize-order/"  # paths of pebble's
PATIENCE = 20.0  # seconds


class Forgery(NamedTuple):
    """What is changed: answers of a path, with their status."""

    path: str
    change: Callable[[int, bytes], tuple[int, bytes]]


class Forger(HttpServer):
    """Hands on to pebble what it is asked, and back what that answers, but for a `forgery`."""

    def __init__(self, pebble: Pebble) -> None:
        self.forgery: Forgery | None = None
        trust = ssl.create_default_context(cafile=str(pebble.trusted))
        forger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = http.client.HTTPSConnection(
                    "localhost", pebble.port, timeout=PATIENCE, context=trust
                )
                with closing(asked):
                    asked.request(self.command, self.path, given, dict(self.headers))
                    answer = asked.getresponse()
                    status, body = forger.judge(self.path, answer.status, answer.read())
                self.send_response(status)
                for name in PASSED_ON:
                    for value in answer.headers.get_all(name, ()):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_HEAD = do_GET  # noqa: N815  the names are the library's

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pebble.own)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.directory = f"https://localhost:{self.port}/dir"

    def judge(self, path: str, status: int, body: bytes) -> tuple[int, bytes]:
        """Return what is said in the place of an answer; an error, such as of a nonce, stays one."""
        if self.forgery is None or status >= 400 or not path.startswith(self.forgery.path):
            return status, body
        return self.forgery.change(status, body)


def forge(**how: Any) -> Forgery:
    """Return another authority's certificate for the same key; `how` is what is different of it."""

    def change(status: int, body: bytes) -> tuple[int, bytes]:
        leaf = x509.load_pem_x509_certificates(body)[0]
        known = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        wanted = {"names": known.get_values_for_type(x509.DNSName), "key": _Known(leaf), **how}
        issued = Authority(datetime.now(UTC)).issue(*wanted.pop("names"), **wanted)
        return status, issued.chain

    return Forgery(CERTIFICATE, change)


def mix(status: int, body: bytes) -> tuple[int, bytes]:
    """Return the right certificate, and in the place of its issuer somebody else."""
    leaf = x509.load_pem_x509_certificates(body)[0]
    other = Authority(datetime.now(UTC)).issue("other.example")
    return status, leaf.public_bytes(PEM) + other.chain.removeprefix(other.pem)


class _Known:
    """The key of a certificate, as far as it is known to others."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._certificate = certificate

    def public_key(self) -> Any:
        """Return it."""
        return self._certificate.public_key()
