"""A certificate from a real authority, and what becomes of one that is down, slow or lying."""

from __future__ import annotations

import base64
import os
import socket
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from orchestrator.certificates.account import Account, make_key, print_key
from orchestrator.certificates.acme import HANDSHAKES, AcmeAuthority
from orchestrator.certificates.authority import IssuanceError
from orchestrator.certificates.pair import Source, read_pair
from orchestrator.certificates.records import Program
from tests.fakes.liar import Liar, Said, list_places
from tests.pebble import Answers, Pebble
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = Source("what was issued", "its key")
WITHIN = 30.0  # seconds


class Customer:
    """Who has an account at an authority, and answers its challenges."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = make_key()

    @contextmanager
    def asking(self, printed: str | None = None, **how: int) -> Iterator[AcmeAuthority]:
        """Yield an authority that runs; challenges are answered by `printed`, or as they should be."""
        answers = Answers(printed or print_key(self.key))
        with answers, Pebble(self.folder, answers.port, **how) as pebble:
            yield self.ask(pebble.directory, str(pebble.trusted))

    def ask(self, directory: str, trusted: str | None = None) -> AcmeAuthority:
        """Return an authority as a command opens it."""
        return AcmeAuthority(Account(directory, self.key, email="ops@shop.example"), trusted)


@pytest.fixture
def customer(tmp_path: Path) -> Customer:
    """Return somebody whom no authority knows yet."""
    return Customer(tmp_path)


def test_two_hosts_get_what_can_be_served(customer: Customer) -> None:
    """By one account, which is found again; each pair is whole and fits."""
    hosts = ("a.shop.example", "b.shop.example")
    with customer.asking() as authority:
        issued = [authority.issue(host, WITHIN) for host in hosts]
        again = AcmeAuthority(authority._account, authority._trusted)
        issued.append(again.issue(hosts[0], WITHIN))
    now = datetime.now(UTC)
    read = [read_pair(chain, key, SOURCE, now).certificate for chain, key in issued]
    assert [one.names for one in read] == [(host,) for host in (*hosts, hosts[0])]
    assert len({one.id for one in read}) == 3
    assert again._client.net.account.uri == authority._client.net.account.uri


def test_nonces_that_are_refused_are_no_failure(customer: Customer) -> None:
    """Half of them are: the library alone gives up at the second one in a row."""
    with customer.asking(refused=50) as authority:
        assert authority.issue("shop.example", WITHIN)


def test_a_name_that_leads_elsewhere_is_told_in_the_authoritys_words(customer: Customer) -> None:
    """And only that name is refused."""
    other = print_key(make_key())
    with customer.asking(other) as authority, pytest.raises(IssuanceError) as raised:
        authority.issue("shop.example", WITHIN)
    assert raised.value.alone
    assert "does not find that `shop.example` leads here" in raised.value.message
    assert other in raised.value.message


def test_one_that_is_down_is_told(customer: Customer) -> None:
    """It is about the authority, so nobody need ask for the next host."""
    with customer.asking() as authority:
        pass
    told = r"^localhost cannot be reached: Connection refused$"
    with pytest.raises(IssuanceError, match=told) as raised:
        authority.issue("shop.example", WITHIN)
    assert not raised.value.alone


def test_one_that_nobody_trusts_is_told(customer: Customer) -> None:
    """Whoever answers in its place gets nothing signed."""
    with customer.asking() as authority:
        stranger = customer.ask(authority._account.directory)
        with pytest.raises(IssuanceError, match="certificate verify failed"):
            stranger.issue("shop.example", WITHIN)


def test_one_that_says_nothing_is_left_in_time(customer: Customer) -> None:
    """Although it takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        authority = customer.ask(f"http://127.0.0.1:{deaf.getsockname()[1]}/dir")
        with pytest.raises(IssuanceError, match=r"had not issued a certificate after 0\.5 s"):
            authority.issue("shop.example", 0.5)


def problem(code: str, status: int = 403) -> Said:
    """Return an answer that says what is wrong, as authorities do."""
    return status, {"type": f"urn:ietf:params:acme:error:{code}", "detail": "no,\n\x1b[31mnever"}


@pytest.mark.parametrize(
    ("said", "told", "alone"),
    [
        ({"/dir": (200, b"<html>")}, "does not answer as ACME has it", False),
        ({"/dir": (200, [])}, "does not answer as ACME has it", False),
        ({"/dir": (200, {})}, "does not answer as ACME has it", False),
        ({"/dir": (500, b"oh")}, "does not answer as ACME has it", False),
        ({"/account": problem("badNonce", 400)}, "no, [31mnever", True),
        ({"/account": problem("rateLimited", 429)}, "for `shop.example`: no, [31mnever", False),
        ({"/account": problem("externalAccountRequired")}, "no, [31mnever", False),
        ({"/account": (201, {"status": "valid"})}, "for `shop.example`: about:blank", True),
        (
            {"/account": (201, {"status": "valid"}), "/order": problem("rejectedIdentifier")},
            "refuses a certificate for `shop.example`: no, [31mnever",
            True,
        ),
        (
            {"/account": (201, {"status": "valid"}), "/order": (201, {"authorizations": 7})},
            "does not answer as ACME has it",
            False,
        ),
    ],
)
def test_one_that_lies_is_told_in_one_line(
    customer: Customer, said: dict[str, Said], told: str, alone: object
) -> None:
    """Whatever it says: nothing of it gets past the line, and nothing is asked for ever."""

    def answer(url: str) -> dict[str, Said]:
        return {"/dir": (200, list_places(url)), "/nonce": (200, b""), **said}

    with Liar(answer) as liar, pytest.raises(IssuanceError) as raised:
        customer.ask(f"{liar.url}/dir").issue("shop.example", WITHIN)
    assert told in raised.value.message
    assert raised.value.alone is alone
    assert len(raised.value.message.splitlines()) == 1
    assert raised.value.hint
    assert len(liar.asked) < 6 + 4 * HANDSHAKES


def test_when_to_renew_is_the_authoritys_word(customer: Customer) -> None:
    """A moment of the window that it names; Debian's pebble names none."""
    window = {"start": "2031-05-01T00:00:00Z", "end": "2031-05-02T00:00:00Z"}

    def answer(url: str) -> dict[str, Said]:
        info = dict.fromkeys((path for path in liar.asked if path != "/dir"), window)
        told = {path: (200, {"suggestedWindow": each}) for path, each in info.items()}
        return {"/dir": (200, list_places(url, renewalInfo="/ari")), **told}

    with customer.asking() as authority:
        chain, _ = authority.issue("shop.example", WITHIN)
        assert authority.find_renewal(chain, WITHIN) is None
    with Liar(answer) as liar:
        found = customer.ask(f"{liar.url}/dir").find_renewal(chain, WITHIN)
    assert found is not None
    assert found.date().isoformat() == "2031-05-01"


@pytest.mark.parametrize(("code", "status"), [("alreadyReplaced", 409), ("malformed", 400)])
def test_an_order_says_what_it_replaces(customer: Customer, code: str, status: int) -> None:
    """In the words of RFC 9773, with its profile; where the authority does not take that, it is ordered without."""
    with customer.asking() as authority:
        chain, _ = authority.issue("shop.example", WITHIN)

    def answer(url: str) -> dict[str, Said]:
        places = list_places(url, renewalInfo="/ari")
        return {
            "/dir": (200, places | {"meta": {"profiles": {"short": ""}}}),
            "/nonce": (200, b""),
            "/account": (201, {"status": "valid"}),
            "/order": problem(code, status),
        }

    with Liar(answer) as liar:
        account = Account(f"{liar.url}/dir", customer.key, profile="short")
        with pytest.raises(IssuanceError):
            AcmeAuthority(account).issue("shop.example", WITHIN, chain)
    orders = [said for path, said in liar.given if path == "/order"]
    issuer, serial = (
        int.from_bytes(base64.urlsafe_b64decode(f"{part}=="))
        for part in orders[0]["replaces"].split(".")
    )
    leaf = x509.load_pem_x509_certificates(chain)[0]
    found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert (issuer, serial) == (int.from_bytes(found.key_identifier or b""), leaf.serial_number)
    assert [said.get("profile") for said in orders] == ["short", "short"]
    assert "replaces" not in orders[1]


# What a program of `dns` does: here by the server of names that the authority asks.
CHANGE = """
import json, sys, urllib.request
port, what, name, value = sys.argv[1:]
open("told", "a").write(what + " " + name + "\\n")
call, said = ("set-txt", {"value": value}) if what == "add" else ("clear-txt", {})
body = json.dumps({"host": name + ".", **said}).encode()
urllib.request.urlopen("http://127.0.0.1:" + port + "/" + call, body, timeout=5)
"""


@contextmanager
def asking_by_records(customer: Customer, script: str) -> Iterator[AcmeAuthority]:
    """Yield an authority that is shown records by a Python script; nobody answers it by HTTP."""
    with Pebble(customer.folder, free_port()) as pebble:
        command = (sys.executable, "-c", script, str(pebble.records))
        records = Program(command, customer.folder, os.environ)
        account = Account(pebble.directory, customer.key)
        yield AcmeAuthority(account, str(pebble.trusted), records)


def test_a_star_is_issued_by_records(customer: Customer) -> None:
    """They are there while the authority looks, and gone afterwards."""
    hosts = ("*.shop.example", "shop.example")
    with asking_by_records(customer, CHANGE) as authority:
        issued = [authority.issue(host, WITHIN) for host in hosts]
    now = datetime.now(UTC)
    assert [read_pair(*pair, SOURCE, now).certificate.names for pair in issued] == [
        (host,) for host in hosts
    ]
    record = "_acme-challenge.shop.example"
    told = (customer.folder / "told").read_text().splitlines()
    assert told == [f"add {record}", f"remove {record}"] * 2


def test_a_record_that_is_not_there_is_told_and_taken_away(customer: Customer) -> None:
    """In the authority's words, with what to look at."""
    idle = "import sys; open('told', 'a').write(sys.argv[2] + ' ')"
    with asking_by_records(customer, idle) as authority, pytest.raises(IssuanceError) as raised:
        authority.issue("shop.example", WITHIN)
    assert "does not find the record of `shop.example`" in raised.value.message
    assert "gateway.tls.acme.dns" in str(raised.value.hint)
    assert (customer.folder / "told").read_text() == "add remove "


def test_a_program_that_fails_is_told_in_its_words(customer: Customer) -> None:
    """Nobody is asked to look then."""
    with (
        asking_by_records(customer, "raise SystemExit('no such zone')") as authority,
        pytest.raises(
            IssuanceError, match=r"`gateway.tls.acme.dns` ended with exit code 1: no such"
        ),
    ):
        authority.issue("shop.example", WITHIN)
