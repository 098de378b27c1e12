"""An engine that is reached over the network with TLS, and a release from there."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrator.engine.plain import to_plain
from tests.servers import Listener, connect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.operator import Done, Operator

ENGINE = "/var/run/docker.sock"
DAY = timedelta(days=1)
SCRIPT = """
import http from 'k6/http';
export default function () { http.get(`${__ENV.BASE_URL}/`); }
"""


class FarEngine(Listener):
    """The engine of this machine at an address that others reach; all is handed on to its socket."""

    def __init__(self, folder: Path, host: str) -> None:
        """Listen. `folder` gets the certificates of both sides."""
        super().__init__(host)
        write_certificates(folder, host)
        self._context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem"
        )
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
        self._open: list[socket.socket] = []
        self.variables = {
            "DOCKER_HOST": f"tcp://{host}:{self.port}",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(folder),
        }
        self.listen()

    def drop(self) -> None:
        """End all connections; new ones are taken."""
        while self._open:
            with suppress(OSError):  # it has ended by itself
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections, and take no more."""
        super().close()
        self.drop()

    def _serve(self, opened: socket.socket) -> None:
        engine = socket.socket(socket.AF_UNIX)
        with engine, suppress(OSError), to_plain(self._secure(opened)) as client:
            engine.connect(ENGINE)
            self._open += [client, engine]
            connect(client, engine)

    def _secure(self, opened: socket.socket) -> socket.socket:
        return self._context.wrap_socket(opened, server_side=True)


def write_certificates(folder: Path, host: str) -> None:
    """Write an authority, and what it says of the engine at an address and of its client."""
    authority = ec.generate_private_key(ec.SECP256R1())
    address = x509.IPAddress(ipaddress.ip_address(host))
    write_certificate(folder / "ca.pem", authority, authority)
    for name in ("server", "cert"):
        key = ec.generate_private_key(ec.SECP256R1())
        write_certificate(folder / f"{name}.pem", key, authority, address)
        written = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / f"{name}-key.pem".replace("cert-", "")).write_bytes(written)


def write_certificate(
    file: Path,
    key: ec.EllipticCurvePrivateKey,
    authority: ec.EllipticCurvePrivateKey,
    address: x509.IPAddress | None = None,
) -> None:
    """Write what an authority says of a key; of its own where that is the same."""
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(to_name(file.stem))
        .issuer_name(to_name("ca"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=key is authority, path_length=None), critical=True)
    )
    if address is not None:
        built = built.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    file.write_bytes(
        built.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )


def to_name(common: str) -> x509.Name:
    """Return a name as certificates have it."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def release_anew(far: Operator, listen: str = "") -> None:
    """Bring a stack up, and release its next version."""
    far.write_stack(listen=listen or f"127.0.0.1:{far.public}")
    far.up()
    assert_released(far.deploy("v2"), "v2")


def assert_released(done: Done, version: str) -> None:
    """A release went well, its witness was heard, and lost nothing."""
    assert done.code == 0, done.stderr
    witness = done.document["witness"]
    assert done.document["version"] == version
    assert witness["sent"] > 0
    assert (witness["lost"], witness["failure"]) == (0, None)


def measure(far: Operator) -> None:
    """Have a load test find that all is answered."""
    (far.folder / "k6").mkdir()
    (far.folder / "k6" / "test.js").write_text(SCRIPT)
    done = far.run("bench", "--vus", "2", "--duration", "1s", "--output", "json")
    assert done.code == 0, done.stderr
    assert done.document["figures"]["requests"] > 0
    assert done.document["figures"]["failed"] == 0


def follow_logs(far: Operator) -> None:
    """See what a container has printed, and then what it prints meanwhile."""
    with far.running("logs", "app", "--follow") as following:
        assert following.stdout is not None
        lines = iter(following.stdout)
        assert next(line for line in lines if "version v1 starts" in line)
        assert far.run("exec", "app", "--", "sh", "-c", "echo more >/proc/1/fd/1").code == 0
        assert next(line for line in lines if "more" in line)
