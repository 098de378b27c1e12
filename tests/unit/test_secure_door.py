"""Where a witness comes by TLS, and whose certificate it takes."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from orchestrator.certificates.pair import Source, read_pair
from orchestrator.certificates.table import CertificateTable
from orchestrator.evidence.secure import SecureDoor
from orchestrator.evidence.wire import Connection, Lost
from orchestrator.release.witness import find_free_name
from orchestrator.stack.quantities import Address
from tests.fakes.authority import NOW, Authority, Issued
from tests.fakes.stacks import load_shop, shop_with

if TYPE_CHECKING:
    from pathlib import Path

CA = Authority()
NOWHERE = Address("127.0.0.1", 1)


def door_of(*issued: Issued, port: int = 443) -> SecureDoor:
    """Return a door that has these certificates."""
    files = Source("a.pem", "a.key")
    pairs = [read_pair(one.chain, one.key_pem, files, NOW) for one in issued]
    table = CertificateTable(tuple(pair.certificate for pair in pairs))
    return SecureDoor(Address("127.0.0.1", port), table)


def test_a_host_that_has_a_certificate_is_asked_by_tls() -> None:
    """With its port or without; another one is not."""
    door = door_of(CA.issue("shop.example", "*.shop.example"))
    assert door.serves("shop.example")
    assert door.serves("www.shop.example:8443")
    assert not door.serves("127.0.0.1:8080")


@pytest.mark.parametrize(
    ("names", "port", "routes", "host"),
    [
        (["shop.example"], 443, [{}], "shop.example"),
        (["shop.example"], 8443, [{}], "shop.example:8443"),
        (["*.shop.example"], 443, [{}], "stackctl-witness.shop.example"),
        (["shop.example"], 443, [{"host": "shop.example"}], None),
        (["shop.example", "b.example"], 443, [{"host": "shop.example"}], "b.example"),
        (["a.shop.example"], 443, [{"host": "*.shop.example"}], None),
        (["old.example"], 443, [{"host": "a.example", "redirect_from": ["old.example"]}], None),
    ],
)
def test_a_service_without_a_host_is_asked_by_one_that_nobody_claims(
    tmp_path: Path, names: list[str], port: int, routes: list[dict[str, object]], host: str | None
) -> None:
    """As a client would write it: by the host of another service it might not be reached."""
    paths = [{"path": f"/{number}/", **route} for number, route in enumerate(routes)]
    stack = load_shop(tmp_path, shop_with("services.web.routes", paths))
    assert find_free_name(stack, door_of(CA.issue(*names)).table, port) == host


def test_only_the_hosts_own_certificate_is_taken() -> None:
    """Not another one of the gateway, and no other of the same name."""
    shop, other = CA.issue("shop.example"), CA.issue("other.example")
    door = door_of(shop, other)
    der = {one: one.certificate.public_bytes(Encoding.DER) for one in (shop, other)}
    assert door.knows("shop.example:8443", der[shop])
    assert not door.knows("shop.example", der[other])
    again = CA.issue("shop.example").certificate.public_bytes(Encoding.DER)
    assert not door.knows("shop.example", again)


def serve(issued: Issued, folder: Path) -> ssl.SSLContext:
    """Return what a server shows."""
    files = issued.write(folder, "served")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / files["certificate"], folder / files["key"])
    return context


@pytest.mark.parametrize("right", [True, False])
def test_a_connection_is_refused_by_another_certificate(tmp_path: Path, right: bool) -> None:  # noqa: FBT001
    """Whoever stands in the gateway's place is nobody whose answer counts."""
    wanted = CA.issue("shop.example")
    shown = wanted if right else CA.issue("shop.example")

    async def connect() -> None:
        server = await asyncio.start_server(
            lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=serve(shown, tmp_path)
        )
        async with server:
            port = server.sockets[0].getsockname()[1]
            opened = await Connection.open(NOWHERE, "shop.example", door_of(wanted, port=port))
            opened.close()

    if right:
        asyncio.run(connect())
    else:
        with pytest.raises(Lost, match="certificate is not one"):
            asyncio.run(connect())


def test_a_door_that_does_not_speak_tls_is_lost() -> None:
    """In words, as one where nobody listens is."""
    door = door_of(CA.issue("shop.example"), port=1)
    with pytest.raises(Lost, match="no TLS"):
        asyncio.run(Connection.open(NOWHERE, "shop.example", door))
    with pytest.raises(Lost, match="connection refused"):
        asyncio.run(Connection.open(NOWHERE, "other.example", door))
