"""Whoever signs tokens: a key of our own, and a small server that publishes it."""

import base64
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class SigningKey:
    """An Ed25519 key."""

    def __init__(self) -> None:
        """Make a new one."""
        self.private = Ed25519PrivateKey.generate()
        self.raw = self.private.public_key().public_bytes_raw()
        self.key_id = hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def published(self) -> dict[str, str]:
        """What a key set says of it."""
        x = base64.urlsafe_b64encode(self.raw).rstrip(b"=").decode()
        named = {"kid": self.key_id, "use": "sig", "alg": "EdDSA"}
        return {"kty": "OKP", "crv": "Ed25519", "x": x, **named}


class Issuer:
    """Signs tokens, and answers for its key set over HTTP."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        """Say where it listens."""
        self.key = SigningKey()
        self.keys: Any = [self.key.published]
        self.asked = 0
        self._address = (host, 0)
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        """Start to answer."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """Where the key set is."""
        return f"http://{self._address[0]}:{self._address[1]}/auth/.well-known/jwks.json"

    def start(self) -> None:
        """Answer, where it answered before."""
        issuer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                body = json.dumps({"keys": issuer.keys}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_given: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(self._address, Answer)
        self._address = (self._address[0], self._server.server_port)
        Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def claims(self, user: UUID | str) -> dict[str, Any]:
        """Say of a user what a good token says."""
        now = int(time.time())
        lasting = {"iat": now, "exp": now + 900, "jti": uuid4().hex}
        return {"iss": "auth", "aud": "platform", "sub": str(user), **lasting}

    def token(self, user: UUID | str, **changed: Any) -> str:
        """Sign a token, with some claims changed; None takes one away."""
        claims = {**self.claims(user), **changed}
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            self.key.private,
            algorithm="EdDSA",
            headers={"kid": self.key.key_id},
        )
