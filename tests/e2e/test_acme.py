"""`gateway.tls.acme`: certificates from a real authority, and a stack that does not depend on it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from orchestrator.certificates.account import CHALLENGES
from orchestrator.evidence.wire import to_errand
from orchestrator.evidence.witness import STRANGER
from tests.e2e.strict import AnyDoor, Crowd
from tests.e2e.tls import ask_plainly, read_files
from tests.fakes.forger import CERTIFICATE, FINALIZE, ORDER, Forger, Forgery, forge, mix
from tests.fakes.observer import WRITE
from tests.pebble import Pebble
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.operator import Done, Operator

HOSTS = ("a.shop.example", "b.shop.example")
RIGHTS = "stat -c '%a %u' /etc/stackctl/acme /etc/stackctl/acme/* /etc/stackctl/acme/*/*"
BY_RECORDS = """
import json, sys, urllib.request
port, what, name, value = sys.argv[1:]
call, said = ("set-txt", {"value": value}) if what == "add" else ("clear-txt", {})
body = json.dumps({"host": name + ".", **said}).encode()
urllib.request.urlopen("http://127.0.0.1:" + port + "/" + call, body, timeout=5)
"""
KEYS = "cat /etc/stackctl/acme/*/key.pem /etc/stackctl/certs/*/key.pem"


class Shop:
    """An operator's stack of two hosts, and the authority that issues their certificates."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.port = free_port()
        self.pebble = Pebble(operator.folder, operator.public, refused=30)

    def begin(self, *hosts: str, **acme: object) -> Done:
        """Bring the stack up."""
        self.operator.environment["SSL_CERT_FILE"] = str(self.pebble.trusted)
        acme = {"directory": self.pebble.directory, "email": "ops@shop.example", **acme}
        self.operator.write_stack(
            {"routes": [{"path": "/", "host": [*(hosts or HOSTS)]}]},
            tls={"listen": f"127.0.0.1:{self.port}", "acme": acme},
        )
        return self.operator.up()

    def renew(self) -> Done:
        """Ask for all certificates anew."""
        return self.operator.run("certs", "renew", "--force", "--output", "json")

    def come(self) -> Crowd:
        """Return clients of the first host who take whatever certificate they are shown."""
        errand = to_errand(WRITE, f"{HOSTS[0]}:{self.port}", STRANGER)
        return Crowd(AnyDoor.at(self.port), errand, moving=True)

    def connect(self, host: str, *protocols: str) -> ssl.SSLSocket:
        """Shake hands as a browser that trusts the authority does."""
        context = ssl.create_default_context(cadata=self.root)
        context.set_alpn_protocols([*protocols])
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return context.wrap_socket(plain, server_hostname=host)

    def served(self) -> list[bytes]:
        """Return the certificates of both hosts, after a request by each."""
        found = []
        for host in HOSTS:
            with closing(self.connect(host, "http/1.1")) as opened:
                connection = http.client.HTTPConnection(host, self.port)
                connection.sock = opened
                connection.request("GET", "/")
                assert connection.getresponse().status == 200
                found.append(opened.getpeercert(binary_form=True) or b"")
        return found

    def ask_inside(self, script: str) -> str:
        """Return what a script prints in the gateway's container."""
        engine, gateway = self.operator.engine, f"{self.operator.name}-gateway"
        printed: bytes = engine.exec_start(engine.exec_create(gateway, ["sh", "-c", script])["Id"])
        return printed.decode()

    @property
    def root(self) -> str:
        """Return the root of what is issued."""
        return self.pebble.root().decode()


@pytest.fixture
def shop(operator: Operator) -> Iterator[Shop]:
    """Return a stack; the authority runs, which forgets a third of its nonces."""
    made = Shop(operator)
    with made.pebble:
        yield made


def test_two_hosts_are_served_by_what_an_authority_issues(shop: Shop) -> None:
    """After the first `up`, by HTTP/2, and nothing but the gateway is told a key."""
    assert shop.begin().document["warnings"] == []
    first, second = shop.served()
    assert first != second
    for host in HOSTS:
        with closing(shop.connect(host, "h2", "http/1.1")) as opened:
            assert opened.selected_alpn_protocol() == "h2"
        assert ask_plainly(shop.operator, host=host).headers["Location"].startswith("https://")
    answered = ask_plainly(shop.operator, f"{CHALLENGES}token", "elsewhere.example")
    assert (answered.status, answered.body[:6]) == (200, b"token.")
    assert shop.operator.deploy("v2").document["witness"]["lost"] == 0
    assert shop.ask_inside(RIGHTS).splitlines() == ["700 101", "700 101", "600 101"]
    lines = shop.ask_inside(KEYS).splitlines()
    secrets = [line for line in lines if not line.startswith("-")]
    assert len(secrets) >= 3 * 2
    left = b"".join(read_files(shop.operator.folder / "reports"))
    gateway = shop.operator.engine.inspect_container(f"{shop.operator.name}-gateway")
    left += (shop.operator.gateway_log() + json.dumps(gateway)).encode()
    assert b"acme-challenge" in left
    assert not any(secret.encode() in left for secret in secrets)


def test_a_certificate_is_renewed_and_outlives_its_authority(shop: Shop) -> None:
    """What is renewed is served; once nobody answers, what was served stays, and releases go on."""
    shop.begin()
    operator, old = shop.operator, shop.served()
    assert operator.run("certs", "renew", "--output", "json").document["outcome"] == "unchanged"
    renewed = shop.renew()
    assert (renewed.code, renewed.document["outcome"]) == (0, "renewed"), renewed.stderr
    new, root = shop.served(), shop.root
    assert not {*old} & {*new}
    shop.pebble.stop()
    failed = shop.renew()
    assert (failed.code, failed.document["outcome"]) == (1, "failed")
    assert all("cannot be reached" in text for text in failed.document["failed"])
    assert operator.run("certs", "renew").code == 0
    assert operator.up().document["gateway"] == "unchanged"
    assert operator.deploy("v2").document["outcome"] == "deployed"
    with closing(socket.create_connection(("127.0.0.1", shop.port), timeout=10)) as plain:
        context = ssl.create_default_context(cadata=root)
        with closing(context.wrap_socket(plain, server_hostname=HOSTS[0])) as opened:
            assert opened.getpeercert(binary_form=True) == new[0]


def test_a_first_up_does_not_depend_on_the_authority(shop: Shop) -> None:
    """It is up without TLS and says why; the next `certs renew` gets what is missing."""
    shop.pebble.stop()
    told = shop.begin().document["warnings"]
    assert [text.partition(":")[0] for text in told] == [
        f"`{host}` is served without TLS" for host in HOSTS
    ]
    answered = ask_plainly(shop.operator, host=HOSTS[0])
    assert answered.status == 200
    shop.pebble.start()
    assert shop.operator.run("certs", "renew").code == 0
    assert len(shop.served()) == 2


def test_a_renewal_loses_nothing(shop: Shop) -> None:
    """Of clients by HTTP/1.1, and by HTTP/2 over one connection: they are told to come by another one.

    What NGINX has not looked at by then is refused, which is no loss: any client may send it again.
    """
    shop.begin()
    with shop.come() as crowd:
        done = [shop.renew(), shop.renew()]
    assert [each.document["outcome"] for each in done] == ["renewed", "renewed"], done[-1].stderr
    print(f"{dict(crowd.sent)} over {dict(crowd.connections)}, refused {crowd.refused}")
    assert crowd.failed == []
    assert crowd.connections["h2"] >= 3  # the first one, and one for each reload
    assert min(crowd.sent.values()) > 100


@pytest.mark.thorough
def test_one_that_says_nothing_is_left_and_stops_nobody(shop: Shop) -> None:
    """It takes connections and answers none; clients are served meanwhile, as they were."""
    shop.begin()
    old = shop.served()
    with shop.pebble.frozen(), shop.come() as crowd:
        failed = shop.renew()
    assert (failed.code, failed.document["outcome"]) == (1, "failed"), failed.stderr
    assert all("keeps its certificate of" in text for text in failed.document["failed"])
    assert (crowd.failed, crowd.refused, crowd.connections["h2"]) == ([], 0, 1)
    assert shop.served() == old
    assert shop.renew().document["outcome"] == "renewed"


def answer(status: int, body: bytes) -> Callable[[int, bytes], tuple[int, bytes]]:
    """Return what says the same in the place of any answer."""
    return lambda *_: (status, body)


BROKEN = b'{"type":"urn:ietf:params:acme:error:serverInternal","detail":"out of order"}'
LIES = {
    "names other.example": forge(names=["other.example"]),
    "is not the key of": forge(key=None),
    "ended on": forge(age=200),
    "do not belong together": Forgery(CERTIFICATE, mix),
    "holds no certificate in PEM": Forgery(CERTIFICATE, answer(200, b"<html>hello</html>")),
    "refuses a certificate": Forgery(ORDER, answer(500, BROKEN)),
    "out of order": Forgery(FINALIZE, answer(500, BROKEN)),
}


def test_whatever_an_authority_says_the_old_certificates_stay(shop: Shop) -> None:
    """Wrong ones of each kind, and errors: each is told in a line for each host, and none is served."""
    with Forger(shop.pebble) as forger:
        assert shop.begin(directory=forger.directory).document["warnings"] == []
        old = shop.served()
        for told, forgery in LIES.items():
            forger.forgery = forgery
            failed = shop.renew()
            assert (failed.code, failed.document["outcome"]) == (1, "failed"), told
            for host, text in zip(HOSTS, failed.document["failed"], strict=True):
                assert text.startswith(f"`{host}` keeps its certificate of "), told
                assert told in text
                assert "openssl" not in text  # there is no file to look at
            assert shop.served() == old, told
        forger.forgery = None
        assert shop.renew().document["outcome"] == "renewed"
        assert not {*old} & {*shop.served()}


def test_a_star_is_served_by_what_its_records_have_shown(shop: Shop) -> None:
    """A program changes records, and the authority never comes to the gateway."""
    program = [sys.executable, "-c", BY_RECORDS, str(shop.pebble.records)]
    shop.operator.environment["STACKCTL_ALLOW_DNS_COMMAND"] = "1"
    assert shop.begin("*.shop.example", dns=program).document["warnings"] == []
    assert len({*shop.served()}) == 1
    assert "acme-challenge" not in shop.operator.gateway_log()
