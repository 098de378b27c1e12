"""A registry of this machine's loopback, as much of one as an engine needs to push and to pull."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.servers import HttpServer

BLOB = re.compile(r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})")
UPLOAD = re.compile(r"/v2/(.+)/blobs/uploads/(\w*)")
MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")


class Registry(HttpServer):
    """Holds blobs by their digest and manifests by name and reference, in memory."""

    def __init__(self, user: str = "", password: str = "") -> None:
        """Listen; with a user it lets nobody else in."""
        self.login = f"{user}:{password}" if user else ""
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}  # media type, bytes
        super().__init__(Handler)
        vars(self.server)["registry"] = self
        self.address = f"127.0.0.1:{self.port}"

    def digest(self, name: str, tag: str) -> str:
        """Return the digest of what was pushed under a tag."""
        return to_digest(self.manifests[name, tag][1])


class Handler(BaseHTTPRequestHandler):
    """The words of the distribution protocol that engines use."""

    protocol_version = "HTTP/1.1"

    @property
    def registry(self) -> Registry:
        """Return whose requests these are."""
        found: Registry = vars(self.server)["registry"]
        return found

    def do_GET(self) -> None:
        """Hand out a blob or a manifest."""
        if self._refuses():
            return
        url = urlsplit(self.path).path
        if url in ("/v2", "/v2/"):
            self._answer(200)
        elif found := BLOB.fullmatch(url):
            blob = self.registry.blobs.get(found[2])
            self._hand_out("application/octet-stream", blob)
        elif found := MANIFEST.fullmatch(url):
            self._hand_out(*self.registry.manifests.get((found[1], found[2]), ("", None)))
        else:
            self._answer(404)

    do_HEAD = do_GET  # noqa: N815  the name is the protocol's

    def do_POST(self) -> None:
        """Begin an upload."""
        body = self._read()
        if self._refuses():
            return
        name = str(len(self.registry.uploads))
        self.registry.uploads[name] = body
        self._answer(202, Location=f"{urlsplit(self.path).path}{name}", Range="0-0")

    def do_PATCH(self) -> None:
        """Take more of an upload."""
        body = self._read()
        found = UPLOAD.fullmatch(urlsplit(self.path).path)
        assert found
        self.registry.uploads[found[2]] += body
        length = len(self.registry.uploads[found[2]])
        self._answer(202, Location=urlsplit(self.path).path, Range=f"0-{length - 1}")

    def do_PUT(self) -> None:
        """End an upload, or take a manifest."""
        body, url = self._read(), urlsplit(self.path)
        if self._refuses():
            return
        if found := UPLOAD.fullmatch(url.path):
            blob = self.registry.uploads.pop(found[2]) + body
            digest = to_digest(blob)
            assert parse_qs(url.query)["digest"] == [digest]
            self.registry.blobs[digest] = blob
        else:
            found = MANIFEST.fullmatch(url.path)
            assert found
            digest = to_digest(body)
            kept = (self.headers["Content-Type"], body)
            self.registry.manifests[found[1], found[2]] = kept
            self.registry.manifests[found[1], digest] = kept
        self._answer(201, b"", **{"Docker-Content-Digest": digest, "Location": url.path})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = bytearray()  # a layer comes in thousands of pieces
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _refuses(self) -> bool:
        login = self.registry.login
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        if not login or base64.b64decode(given).decode() == login:
            return False
        refusal = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        self._answer(
            401, json.dumps(refusal).encode(), **{"WWW-Authenticate": 'Basic realm="registry"'}
        )
        return True

    def _hand_out(self, kind: str, body: bytes | None) -> None:
        if body is None:
            self._answer(404)
        else:
            facts = {"Content-Type": kind, "Docker-Content-Digest": to_digest(body)}
            self._answer(200, body, **facts)

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def to_digest(data: bytes) -> str:
    """Return the name of bytes by what they are."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
