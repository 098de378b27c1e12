"""Stacks behind one door, each with certificates of an authority: what one of them gets is nothing to the other."""

from __future__ import annotations

import secrets
import socket
import ssl
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from orchestrator.evidence.wire import to_errand
from orchestrator.evidence.witness import STRANGER
from tests.e2e.operator import Operator, wait_until
from tests.e2e.shared import remove_door
from tests.e2e.strict import KEPT, AnyDoor, Crowd
from tests.e2e.tenants import Tenant, strict_user
from tests.fakes.observer import WRITE
from tests.pebble import Pebble
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.operator import Done

pytestmark = pytest.mark.xdist_group("shared door")  # of which an engine has one
SHOP, BLOG = "shop.example", "blog.example"


class Customer(NamedTuple):
    """A stack behind the door, and the authority that it asks."""

    tenant: Tenant
    pebble: Pebble

    def shown(self) -> bytes:
        """Return the certificate that a browser is shown which trusts this authority, by HTTP/2.

        Raises OSError where it is shown another one, or none.
        """
        context = ssl.create_default_context(cadata=self.pebble.root().decode())
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", self.tenant.ports[1]), timeout=10)
        with closing(context.wrap_socket(plain, server_hostname=self.tenant.host)) as opened:
            assert opened.selected_alpn_protocol() == "h2"
            return opened.getpeercert(binary_form=True) or b""

    def run(self, *arguments: str) -> Done:
        """Run a command with a document."""
        return self.tenant.operator.run(*arguments, "--output", "json")

    def come(self) -> Crowd:
        """Return clients by TLS, none of whose connections may end."""
        errand = to_errand(WRITE, f"{self.tenant.host}:{self.tenant.ports[1]}", STRANGER)
        return Crowd(AnyDoor.at(self.tenant.ports[1]), errand)


@pytest.fixture
def customers(
    tmp_path: Path,
    layers: None,  # noqa: ARG001
) -> Iterator[tuple[Customer, Customer]]:
    """Return a shop and a blog; nothing runs but the authorities, one for each."""
    ports = free_port(), free_port()
    with ExitStack() as left:
        left.callback(remove_door)
        made = []
        for name, host in (("shop", SHOP), ("blog", BLOG)):
            folder = tmp_path / name
            folder.mkdir()
            operator = Operator(folder, f"t{secrets.token_hex(3)}")
            left.callback(operator.remove_everything)
            pebble = left.enter_context(Pebble(folder, ports[0], refused=30))
            operator.environment["SSL_CERT_FILE"] = str(pebble.trusted)
            tenant = Tenant(operator, host, ports, acme={"directory": pebble.directory})
            tenant.write()
            made.append(Customer(tenant, pebble))
        shop, blog = made
        yield shop, blog


def test_each_stack_gets_its_certificate_through_the_door(
    customers: tuple[Customer, Customer],
) -> None:
    """One asks an authority that is down, and has none until it is back: the other one's clients notice nothing."""
    shop, blog = customers
    assert shop.run("up").document["warnings"] == []
    first = shop.shown()
    with shop.come() as crowd, strict_user(shop.tenant) as visits:
        blog.pebble.stop()
        (told,) = blog.run("up").document["warnings"]
        assert told.startswith(f"`{BLOG}` is served without TLS: localhost cannot be reached")
        assert blog.tenant.serving() == "v1"
        blog.pebble.start()
        with pytest.raises(OSError, match=r"(?i)eof|unrecognized|reset"):
            blog.shown()
        renewed = blog.run("certs", "renew")
        assert renewed.document["outcome"] == "renewed", renewed.stderr
        assert blog.shown()
    assert (crowd.failed, visits.failed) == ([], [])
    assert crowd.connections == {"h2": 1, "http/1.1": KEPT}
    assert min(visits.answered, *crowd.sent.values()) > 100
    assert shop.shown() == first


@pytest.mark.thorough
def test_what_becomes_of_a_stack_and_its_authority_is_nothing_to_the_other(
    customers: tuple[Customer, Customer],
) -> None:
    """It renews, fails to, dies, leaves and comes back; clients of the other keep their connections."""
    shop, blog = customers
    for customer in customers:
        assert customer.run("up").document["warnings"] == []
    old, kept = shop.shown(), blog.shown()
    gateway = f"{shop.tenant.operator.name}-gateway"
    with blog.come() as crowd, strict_user(blog.tenant) as visits:
        assert shop.run("certs", "renew", "--force").document["outcome"] == "renewed"
        new = shop.shown()
        assert new != old
        shop.pebble.stop()
        assert shop.run("certs", "renew", "--force").code == 1
        shop.tenant.operator.engine.kill(gateway)
        assert shop.tenant.ask().status == 502
        shop.tenant.operator.engine.start(gateway)
        wait_until(lambda: shop.tenant.serving() == "v1" or None)
        assert shop.run("down").code == 0
        assert shop.tenant.ask().status == 404
        assert shop.run("up").document["warnings"] == []
        assert blog.tenant.operator.deploy("v2").document["outcome"] == "deployed"
    assert (crowd.failed, visits.failed) == ([], [])
    assert crowd.connections == {"h2": 1, "http/1.1": KEPT}
    assert min(visits.answered, *crowd.sent.values()) > 100
    assert blog.shown() == kept
    shop.pebble.start()
    assert shop.run("certs", "renew").document["outcome"] == "unchanged"
    assert shop.run("certs", "list").document["certificates"][0]["names"] == [SHOP]
