"""Clients that come by TLS, as a browser does: by a name, with an authority that they trust."""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.certificates.pair import Source, read_pair
from orchestrator.certificates.table import CertificateTable
from orchestrator.evidence.secure import SecureDoor
from orchestrator.stack.quantities import Address
from tests.fakes.authority import Authority, Issued
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.operator import Operator

HOST = "localhost"  # which every client here finds


class Answered(NamedTuple):
    """What a client got."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    certificate: bytes  # the server's own, as DER


class Door:
    """An operator's gateway with TLS, and who issues its certificates."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.port = free_port()
        self.authority = Authority(datetime.now(UTC))
        self.issued = self.renew()
        (operator.folder / "root.pem").write_bytes(self.authority.root.pem)

    def keys(self, **more: object) -> dict[str, object]:
        """Return `gateway.tls` of stack.yaml."""
        files = {"certificate": "door.pem", "key": "door.key"}
        return {"listen": f"127.0.0.1:{self.port}", "certificates": [files], **more}

    def renew(self, name: str = HOST) -> Issued:
        """Have a certificate issued, and lay it beside stack.yaml."""
        self.issued = self.authority.issue(name)
        self.issued.write(self.operator.folder, "door")
        return self.issued

    def trust(self, *protocols: str) -> ssl.SSLContext:
        """Return what a client trusts; it offers `protocols`."""
        context = ssl.create_default_context(cafile=str(self.operator.folder / "root.pem"))
        context.set_alpn_protocols([*protocols])
        return context

    def connect(self, context: ssl.SSLContext, host: str = HOST, **how: object) -> ssl.SSLSocket:
        """Shake hands."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return context.wrap_socket(plain, server_hostname=host, **how)  # type: ignore[arg-type]

    def secure(self) -> SecureDoor:
        """Return where clients come that take this certificate and no other."""
        files = Source("door.pem", "door.key")
        pair = read_pair(self.issued.chain, self.issued.key_pem, files, datetime.now(UTC))
        table = CertificateTable((pair.certificate,))
        return SecureDoor(Address("127.0.0.1", self.port), table)

    def ask(
        self, path: str = "/", host: str = HOST, method: str = "GET", told: str = ""
    ) -> Answered:
        """Ask once, in HTTP/1.1, by the name of the certificate or by another one that is `told`."""
        with closing(self.connect(self.trust("http/1.1"), host)) as opened:
            connection = http.client.HTTPConnection(host, self.port)
            connection.sock = opened
            connection.request(method, path, headers={"Host": told} if told else {})
            answer = connection.getresponse()
            shown = opened.getpeercert(binary_form=True) or b""
            return Answered(answer.status, answer.headers, answer.read(), shown)


def ask_plainly(operator: Operator, path: str = "/", host: str = HOST) -> Answered:
    """Ask the door without TLS."""
    with closing(http.client.HTTPConnection("127.0.0.1", operator.public, timeout=10)) as opened:
        opened.request("POST", path, headers={"Host": host})
        answer = opened.getresponse()
        return Answered(answer.status, answer.headers, answer.read(), b"")


def read_files(folder: Path) -> list[bytes]:
    """Return what all files of a folder hold."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
