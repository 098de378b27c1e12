"""The public door behind a proxy that ends TLS: who comes by `gateway.url` sees what clients see."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import Unanswered
from orchestrator.bench.session import ask_gateway
from orchestrator.certificates.table import NO_CERTIFICATES
from orchestrator.engine.plain import to_plain
from orchestrator.errors import GatewayError
from orchestrator.evidence.secure import SecureDoor, make_context
from orchestrator.evidence.witness import Witness
from orchestrator.gateway.admin import SERVED, WITNESS, Admin
from orchestrator.gateway.outside import Outside
from orchestrator.stack.model import WitnessRequest
from orchestrator.stack.quantities import Address
from orchestrator.stack.url import PublicUrl
from tests.fakes.authority import Authority
from tests.fakes.server import GOOD, Request, serving
from tests.ports import free_port
from tests.servers import Listener, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.evidence.samples import Sample

BOUND = 30.0  # seconds after which something counts as hanging
HOST = "localhost"
ENOUGH = 40  # requests of a witness
NOBODY = Address("127.0.0.1", 1)
HEAD_ONLY = GOOD.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


class Proxy(Listener):
    """Ends TLS for one name, and hands on to an address until it loses what it is given."""

    def __init__(self, folder: Path, to: Address) -> None:
        super().__init__("127.0.0.1")
        authority = Authority(datetime.now(UTC))
        files = authority.issue(HOST).write(folder, "proxy")
        (folder / "roots.pem").write_bytes(authority.root.pem)
        self.roots = str(folder / "roots.pem")
        self.loses = threading.Event()
        self.names: list[str | None] = []  # that clients have come by
        self._to = to
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / files["certificate"], folder / files["key"])
        self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.url = PublicUrl(secure=True, host=HOST, port=self.port)
        self.listen()

    def _serve(self, opened: socket.socket) -> None:
        with suppress(OSError):
            secured = self._context.wrap_socket(opened, server_side=True)
            with to_plain(secured) as client, socket.create_connection(self._to) as gateway:
                if self.loses.is_set():
                    return
                connect(client, gateway)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """Return a proxy in front of a gateway that answers."""
    with serving(behave) as server, closing(Proxy(tmp_path, server.address)) as proxy:
        yield proxy


def behave(request: Request) -> bool:
    """Answer as the gateway does."""
    return request.answer(HEAD_ONLY if request.method == "HEAD" else GOOD)


def test_a_url_leads_to_the_gateway_or_is_missed(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whom this machine trusts, which SSL_CERT_FILE says, and by the gateway's own header."""
    admin = Admin(NOBODY, NOBODY, outside=Outside(proxy.url, SERVED))
    assert "is not one that this machine trusts" in admin.find_miss()
    assert not admin.opens()
    with pytest.raises(GatewayError, match=f"does not answer at `{proxy.url}`"):
        ask_gateway(proxy.url.address, proxy.url)

    monkeypatch.setenv("SSL_CERT_FILE", proxy.roots)
    assert (admin.find_miss(), admin.opens()) == ("", True)
    assert admin.served("/") == "web_blue/v1"
    ask_gateway(proxy.url.address, proxy.url)
    other = Outside(proxy.url, "X-Other")
    assert other.find_miss(BOUND, WITNESS) == "it answers 200 without the gateway's `X-Other`"
    nobody = Outside(PublicUrl(secure=False, host=HOST, port=free_port()), SERVED)
    assert nobody.find_miss(BOUND, WITNESS) == "nobody answers there (ConnectError)"
    assert set(proxy.names) == {HOST}


def test_a_name_that_the_certificate_does_not_have_is_not_trusted(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A route's own host comes by that name."""
    monkeypatch.setenv("SSL_CERT_FILE", proxy.roots)
    outside = Outside(proxy.url, SERVED)
    with pytest.raises(Unanswered, match="CertificateError"):
        outside.ask("/", BOUND, headers={"Host": "api.example"})
    assert proxy.names == ["api.example"]


def test_the_witness_comes_through_the_proxy_and_misses_what_that_loses(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that the proxy loses is lost, whoever did it."""
    monkeypatch.setenv("SSL_CERT_FILE", proxy.roots)
    samples: list[Sample] = []
    over = threading.Event()

    def take(sample: Sample) -> None:
        samples.append(sample)
        if len(samples) > ENOUGH:
            proxy.loses.set()
        if len(samples) > ENOUGH and sample.lost:
            over.set()

    url = proxy.url
    door = SecureDoor(url.address, NO_CERTIFICATES, url.named, trusted=True)
    witness = Witness(url.address, [WitnessRequest(path="/")], 5, take, secure=door)
    witness.start()
    assert over.wait(BOUND)
    figures = witness.stop()
    assert figures.failure is None
    assert figures.ok >= ENOUGH
    assert {sample.lost for sample in samples[:ENOUGH]} == {None}
    assert figures.lost > 0


def test_the_witness_trusts_whom_clients_trust() -> None:
    """Of a proxy the certificate must be right; the gateway's own is compared by itself."""
    trusting = make_context(trusted=True)
    assert (trusting.verify_mode, trusting.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert make_context().verify_mode == ssl.CERT_NONE
