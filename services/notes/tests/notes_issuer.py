"""What stands for the auth service: it publishes keys over HTTP and signs tokens with them."""

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEYS_PATH = "/auth/.well-known/jwks.json"


class SigningKey:
    """An Ed25519 key with its id."""

    def __init__(self) -> None:
        """Make a new one."""
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self.id = hashlib.sha256(self.public).hexdigest()[:16]

    @property
    def published(self) -> dict[str, str]:
        """The public half, as a key set lists it."""
        x = urlsafe_b64encode(self.public).decode().rstrip("=")
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": x,
            "kid": self.id,
            "use": "sig",
            "alg": "EdDSA",
        }


class Issuer:
    """Signs tokens with the first of its keys, and publishes them all while it is open."""

    def __init__(self) -> None:
        """Make one key; nothing is published yet."""
        self.keys = [SigningKey()]
        self.document: Any = None
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        """Publish the keys."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish no more."""
        self.close()

    @property
    def url(self) -> str:
        """Where the keys are published; the same after a reopening."""
        return f"http://127.0.0.1:{self._port}{KEYS_PATH}"

    def open(self) -> None:
        """Begin to answer."""
        issuer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = json.dumps(issuer.key_set()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Answer)
        self._port = self._server.server_port
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Answer no more: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def key_set(self) -> Any:
        """The document that is published."""
        return self.document or {"keys": [key.published for key in self.keys]}

    def rotate(self) -> None:
        """Sign with a new key from now on; the old ones stay published."""
        self.keys.insert(0, SigningKey())

    def token(self, user: str | None = None, **claims: object) -> str:
        """Sign a token for a user, or for nobody known; a claim of None is left out."""
        key = self.keys[0]
        return signed(key.private, key.id, self.claims(user, **claims))

    def claims(self, user: str | None = None, **changed: object) -> dict[str, object]:
        """Fill in the claims of a good token, but for what is changed."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": "auth",
            "aud": "platform",
            "sub": user or str(uuid4()),
            "iat": now,
            "exp": now + 900,
            "jti": uuid4().hex,
        }
        return {name: one for name, one in (claims | changed).items() if one is not None}


def signed(
    key: Any, key_id: str | None, claims: dict[str, object], algorithm: str = "EdDSA"
) -> str:
    """Write a token."""
    headers = None if key_id is None else {"kid": key_id}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)
