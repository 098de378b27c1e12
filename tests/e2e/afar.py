"""An engine that is reached over the network: with TLS, or over SSH."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrator.engine.plain import to_plain
from tests.ports import free_port

ENGINE = "/var/run/docker.sock"
MOST = 65_536  # bytes that are handed on at once
DAY = timedelta(days=1)


class FarEngine:
    """The engine of this machine at an address that others reach; all is handed on to its socket."""

    def __init__(self, folder: Path, host: str) -> None:
        """Listen. `folder` gets the certificates of both sides."""
        write_certificates(folder, host)
        self._context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem"
        )
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((host, 0))
        self.variables = {
            "DOCKER_HOST": f"tcp://{host}:{self._listener.getsockname()[1]}",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(folder),
        }
        threading.Thread(target=self._receive, daemon=True).start()

    def drop(self) -> None:
        """End all connections; new ones are taken."""
        while self._open:
            with suppress(OSError):  # it has ended by itself
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections, and take no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def _receive(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                opened, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(opened,), daemon=True).start()

    def _serve(self, opened: socket.socket) -> None:
        engine = socket.socket(socket.AF_UNIX)
        with engine, suppress(OSError), to_plain(self._secure(opened)) as client:
            engine.connect(ENGINE)
            self._open += [client, engine]
            back = threading.Thread(target=hand_on, args=(engine, client), daemon=True)
            back.start()
            hand_on(client, engine)
            back.join()

    def _secure(self, opened: socket.socket) -> socket.socket:
        return self._context.wrap_socket(opened, server_side=True)


def hand_on(giver: socket.socket, taker: socket.socket) -> None:
    """Hand on what one says, and that it has ended."""
    with suppress(OSError):
        while data := giver.recv(MOST):
            taker.sendall(data)
    with suppress(OSError):
        taker.shutdown(socket.SHUT_WR)


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


class Sshd:
    """An SSH server of this machine at an address that others reach, with keys of its own."""

    def __init__(self, folder: Path, program: str, host: str) -> None:
        """Start it. `folder` gets the keys, and an `ssh` in `bin/` that uses them."""
        self._folder = folder
        for key in ("host", "other", "user"):
            make = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
            subprocess.run(make, check=True)
        self._port = free_port()
        self._at = f"[{host}]:{self._port}"
        settings = {
            "Port": self._port,
            "ListenAddress": host,
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "user.pub",
            "PidFile": "none",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "UsePAM": "no",
        }
        written = "".join(f"{name} {value}\n" for name, value in settings.items())
        (folder / "sshd_config").write_text(written)
        (folder / "config").write_text(
            f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {folder}/known\n"
        )
        (folder / "bin").mkdir()
        ssh = folder / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
        ssh.chmod(0o755)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # without its service it is not there
        self.process = subprocess.Popen(
            (program, "-D", "-e", "-f", str(folder / "sshd_config")), stderr=subprocess.DEVNULL
        )
        self.variables = {
            "DOCKER_HOST": f"ssh://root@{host}:{self._port}",
            "PATH": f"{ssh.parent}:{os.environ['PATH']}",
        }

    def be_known_by(self, key: str) -> None:
        """Have clients know it by one of the keys in the folder."""
        public = (self._folder / f"{key}.pub").read_text()
        (self._folder / "known").write_text(f"{self._at} {public}")

    def close(self) -> None:
        """End it, and its connections."""
        self.process.terminate()
        self.process.wait(30)
