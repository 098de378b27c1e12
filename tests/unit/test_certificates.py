"""Pairs of certificate and key: each fault is one line with its own hint, told before anybody gets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from orchestrator.certificates.own import list_roots, read_own
from orchestrator.certificates.pair import Pair, Source, read_pair
from orchestrator.certificates.table import (
    CertificateTable,
    find_uncovered,
    parse_certificates,
    warn_of_ends,
)
from orchestrator.errors import ConfigurationError
from orchestrator.stack.tls import CertificateFiles
from tests.fakes.authority import NOW, Authority, Issued, pem_of_key

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = Source("shop.pem", "shop.key")
HOST = "shop.example"
CA = Authority()


def read(issued: Issued, **changes: object) -> Pair:
    """Read a pair as it was issued."""
    return read_pair(issued.chain, issued.key_pem, FILES, NOW, **changes)  # type: ignore[arg-type]


def make_weak() -> Issued:
    """Return a certificate with an RSA key that is too short."""
    return CA.issue(HOST, key=rsa.generate_private_key(65537, 1024))  # noqa: S505  to be refused


def sign_with_sha1() -> Issued:
    """Return a certificate that says so: nothing here signs like that any more."""
    signer = CA.issue("Old Authority", key=rsa.generate_private_key(65537, 2048))
    made = CA.issue(HOST, above=[signer])
    sha256, sha1 = (bytes.fromhex(f"06092a864886f70d0101{end}") for end in ("0b", "05"))
    der = made.certificate.public_bytes(Encoding.DER).replace(sha256, sha1)
    return Issued(load_der_x509_certificate(der), made.key)


def test_a_pair_tells_what_it_is() -> None:
    """Names, kind, times and issuer; and its repr has neither file."""
    issued = CA.issue("Shop.Example", "*.shop.example")
    pair = read(issued)
    one = pair.certificate
    assert (one.names, one.kind, one.issuer) == (
        ("shop.example", "*.shop.example"),
        "ec",
        "Test Intermediate",
    )
    assert (one.begins, one.ends) == (
        int((NOW - timedelta(days=1)).timestamp()),
        int((NOW + timedelta(days=89)).timestamp()),
    )
    assert (pair.chain, pair.key) == (issued.chain, issued.key_pem)
    assert pair.warnings == ()
    assert "PRIVATE" not in repr(pair)
    assert "BEGIN" not in repr(pair)


def test_a_chain_is_part_of_what_a_pair_is() -> None:
    """The same certificate with another chain is another one to NGINX, and the same to its clients."""
    issued = CA.issue(HOST)
    alone = Issued(issued.certificate, issued.key)
    whole, short = read(issued).certificate.id, read(alone).certificate.id
    assert whole != short
    assert whole.partition("-")[0] == short.partition("-")[0]
    assert read(issued).certificate.id == whole


CHAIN_FAULTS: list[tuple[Callable[[], tuple[bytes, bytes]], str, str]] = [
    (lambda: (b"", CA.issue(HOST).key_pem), "`shop.pem` holds no certificate in PEM", "DER"),
    (
        lambda: (CA.issue(HOST).key_pem, b""),
        "`shop.pem` holds a key and no cert",
        "wrong way round",
    ),
    (
        lambda: (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b""),
        "`shop.pem` holds a certificate that cannot be read",
        "openssl x509",
    ),
    (
        lambda: (CA.issue(HOST).chain, CA.issue(HOST).chain),
        "`shop.key` holds a certificate and no key",
        "wrong way round",
    ),
    (lambda: (CA.issue(HOST).chain, b"key"), "`shop.key` holds no private key", "DER"),
    (
        lambda: (CA.issue(HOST).chain, pem_of_key(CA.issue(HOST).key, b"secret")),
        "`shop.key` has a passphrase",
        "take it away",
    ),
    (
        lambda: (
            CA.issue(HOST).chain,
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ),
        "`shop.key` holds a private key that cannot be read",
        "openssl pkey",
    ),
    (
        lambda: (CA.issue(HOST).chain, CA.issue(HOST).key_pem),
        "`shop.key` is not the key of `shop.pem`",
        "made together",
    ),
]


@pytest.mark.parametrize(("make", "text", "hint"), CHAIN_FAULTS)
def test_what_the_files_hold(make: Callable[[], tuple[bytes, bytes]], text: str, hint: str) -> None:
    """Swapped files, no PEM, a passphrase, keys of other certificates."""
    chain, key = make()
    with pytest.raises(ConfigurationError, match=re.escape(text)) as raised:
        read_pair(chain, key, FILES, NOW)
    assert hint in str(raised.value.hint)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("make", "text", "hint"),
    [
        (lambda: CA.issue(HOST, days=1, age=2), "`shop.pem` ended on 2027-01-30", "renewed"),
        (lambda: CA.issue(HOST, age=-1), "`shop.pem` is not valid yet", "clock"),
        (CA.issue, "it has no subjectAltName", "DNS:"),
        (lambda: CA.issue("192.0.2.7"), "`shop.pem` names addresses only", "a name that leads"),
        (make_weak, "an RSA key of 1024 bits", "2048"),
        (sign_with_sha1, "`shop.pem` is signed with SHA1", "SHA-256"),
        (
            lambda: CA.issue(HOST, usage=ExtendedKeyUsageOID.CLIENT_AUTH),
            "`shop.pem` is not for servers",
            "issued for servers",
        ),
        (
            lambda: CA.issue(HOST, key=dsa.generate_private_key(2048)),
            "a kind that no client",
            "RSA",
        ),
    ],
)
def test_what_a_certificate_says(make: Callable[[], Issued], text: str, hint: str) -> None:
    """Time, names, purpose, key and signature."""
    with pytest.raises(ConfigurationError, match=re.escape(text)) as raised:
        read(make())
    assert hint in str(raised.value.hint)


def test_a_chain_is_in_order() -> None:
    """The server's own first, and each issued by the next one; what has ended is told."""
    other = Authority()
    mine, above = CA.issue(HOST), CA.intermediate.pem
    with pytest.raises(ConfigurationError, match="does not begin with the certificate of its key"):
        read_pair(above + mine.pem, mine.key_pem, FILES, NOW)
    with pytest.raises(ConfigurationError, match="do not belong together"):
        read_pair(mine.pem + other.intermediate.pem, mine.key_pem, FILES, NOW)
    with pytest.raises(ConfigurationError, match="are in the wrong order"):
        read_pair(mine.pem + CA.root.pem + above, mine.key_pem, FILES, NOW)
    later = NOW + timedelta(days=3650)
    late = Authority(now=later).issue(HOST, above=[CA.intermediate])
    with pytest.raises(ConfigurationError, match=r"in the chain of `shop\.pem` ended on 2036-"):
        read_pair(late.chain, late.key_pem, FILES, later)


def test_a_missing_intermediate_is_a_warning() -> None:
    """Private authorities are in no list of roots, so it cannot be an error."""
    roots = frozenset({CA.root.certificate.subject.public_bytes()})
    issued = CA.issue(HOST)
    alone = Issued(issued.certificate, issued.key)
    (told,) = read(alone, roots=lambda: roots).warnings
    assert "ends with what `CN=Test Intermediate` has issued" in told
    assert read(CA.issue(HOST), roots=lambda: roots).warnings == ()
    assert read(alone, roots=lambda: None).warnings == ()
    assert read(CA.issue(HOST, above=[]), roots=lambda: roots).warnings == ()  # signs itself


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1())]
)
def test_what_browsers_do_not_take_is_a_warning(key: object) -> None:
    """Other clients do."""
    (told,) = read(CA.issue(HOST, key=key)).warnings
    assert "`shop.key`" in told
    assert "P-256" in told


def test_what_serves_already_may_be_over() -> None:
    """To refuse it would leave its users with nothing, and `up` without its other work."""
    old = CA.issue(HOST, days=10, age=1)
    identity = read(old).certificate.id
    later = NOW + timedelta(days=30)
    with pytest.raises(ConfigurationError, match="ended on"):
        read_pair(old.chain, old.key_pem, FILES, later)
    assert (
        read_pair(old.chain, old.key_pem, FILES, later, over=[identity]).certificate.id == identity
    )


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["shop.example"], "shop.example", True),
        (["shop.example"], "SHOP.example", True),
        (["shop.example"], "shop.example.", True),
        (["shop.example"], "www.shop.example", False),
        (["*.shop.example"], "www.shop.example", True),
        (["*.shop.example"], "shop.example", False),
        (["*.shop.example"], "a.b.shop.example", False),
        (["*.shop.example"], "*.shop.example", True),
        (["*.example"], "example", False),
    ],
)
def test_a_star_is_one_label(names: list[str], host: str, covered: bool) -> None:  # noqa: FBT001
    """As RFC 6125 has it: the whole first one, and no more than that."""
    assert read(CA.issue(*names)).certificate.covers(host) is covered


def test_a_host_gets_one_certificate_of_each_kind() -> None:
    """What names it goes before a star, and then what stands first."""
    star, exact, second = (
        CA.issue("*.shop.example"),
        CA.issue("www.shop.example"),
        CA.issue("www.shop.example"),
    )
    rsa_too = CA.issue("*.shop.example", key=rsa.generate_private_key(65537, 2048))
    ids = {one: read(one).certificate for one in (star, exact, second, rsa_too)}
    table = CertificateTable(tuple(ids.values()))
    assert table.of("www.shop.example") == (ids[exact], ids[rsa_too])
    assert table.of("api.shop.example") == (ids[star], ids[rsa_too])
    assert table.of("shop.example") == ()
    assert table.of(None) == (ids[star], ids[rsa_too])
    assert find_uncovered(table, ["www.shop.example", "shop.example"]) == ["shop.example"]


def test_a_table_is_read_back() -> None:
    """From what stands in the head of a config; and nothing that could not have been written there."""
    table = CertificateTable((read(CA.issue("a.example", "*.a.example")).certificate,))
    raw = json.loads(json.dumps(table.facts()))
    assert parse_certificates(raw) == table
    bad = {"id": "../x", "kind": "dsa", "names": ["a;b"], "begins": -1, "ends": True, "issuer": 7}
    for key, value in bad.items():
        with pytest.raises((ValueError, TypeError)):
            parse_certificates([raw[0] | {key: value}])


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (61, None),
        (59, None),
        (29, "the certificate of `shop.example` ends on 2027-03-01, in 29 days: renew it"),
        (1.5, "ends on 2027-02-02, in 1 day: renew it"),
        (0.5, "in less than a day: renew it"),
        (-1, "the certificate of `shop.example` ended on 2027-01-30: renew it"),
    ],
)
def test_the_last_third_is_told(days: float, told: str | None) -> None:
    """Of the lifetime: 30 of 90 days, and two of six."""
    issued = CA.issue(HOST, days=90, age=90 - days)
    read_at = NOW - timedelta(days=2)  # while it was valid
    pair = read_pair(issued.chain, issued.key_pem, FILES, read_at)
    found = warn_of_ends(CertificateTable((pair.certificate,)), NOW, "renew it")
    assert len(found) == (told is not None)
    assert (told or "") in "".join(found)


def test_own_files_are_read_and_their_rights_looked_at(tmp_path: Path) -> None:
    """A key that others may read is refused, with the command that mends it."""
    files = CertificateFiles(**CA.issue(HOST).write(tmp_path, "shop"))
    (pair,) = read_own([files], tmp_path, NOW)
    assert pair.certificate.names == (HOST,)
    (tmp_path / "shop.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match=r"others may read .* \(mode 0640\)") as raised:
        list(read_own([files], tmp_path, NOW))
    assert raised.value.hint == "`chmod 600 shop.key`"
    gone = CertificateFiles(certificate="none.pem", key="shop.key")
    with pytest.raises(ConfigurationError, match=r"`none\.pem` does not exist"):
        list(read_own([gone], tmp_path, NOW))
    odd = CertificateFiles(certificate="/dev/zero", key="shop.key")
    with pytest.raises(ConfigurationError, match="`/dev/zero` cannot be read: it is no file"):
        list(read_own([odd], tmp_path, NOW))


def test_this_machine_has_roots() -> None:
    """With old ones among them, and no word about that."""
    roots = list_roots()
    assert roots is None or all(isinstance(one, bytes) for one in roots)


def test_cryptography_is_loaded_where_a_pair_is_read() -> None:
    """It is slow to import: the table of what is served is read without it."""
    modules = "orchestrator.cli, orchestrator.certificates.own, orchestrator.lifecycle.status"
    code = f"import sys, {modules}; print('cryptography' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
