"""An authority is asked for certificates, and whatever it does takes none away that serves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.certificates.account import print_key
from orchestrator.certificates.authority import IssuanceError
from orchestrator.certificates.records import Program
from orchestrator.doctor.certificates import judge_certificates, see_certificates
from orchestrator.errors import ConfigurationError
from orchestrator.gateway.files import ACCOUNTS, CERTIFICATES
from orchestrator.lifecycle.forecast import forecast
from orchestrator.lifecycle.renewal import renew_certificates
from orchestrator.release.observe import observe
from tests.fakes.authority import Authority
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.certificates.table import Certificate, CertificateTable

A, B = "a.example", "b.example"
DOWN = IssuanceError("ca.example cannot be reached: Connection refused", "is it up?")
DAY = 86400.0


class Shop:
    """A stack of two hosts, whose certificates an authority issues."""

    def __init__(self, folder: Path, **acme: Any) -> None:
        self.world = World(folder)
        self.issuer = self.world.issuer
        self.world.document["gateway"]["tls"] = {"acme": acme or True}
        self.world.notes["routes"] = [{"path": "/", "host": [A, B]}]

    def table(self) -> CertificateTable:
        """Return what NGINX serves."""
        return observe(self.world.house).certificates

    def of(self, host: str) -> Certificate:
        """Return the one certificate that a host is served with."""
        (found,) = self.table().of(host)
        return found

    def pass_days(self, days: float) -> None:
        """Let time go by."""
        self.world.clock.sleep(days * DAY)
        self.issuer.asked.clear()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Return a stack; nothing runs."""
    return Shop(tmp_path)


def test_a_first_up_serves_what_was_issued(shop: Shop) -> None:
    """One certificate a host, after the services are up, and with keys in the volume only."""
    done = shop.world.up()
    assert (done.exit_code, done.warnings) == (0, ())
    assert shop.issuer.asked == [A, B]
    assert [one.names for one in shop.table().certificates] == [(A,), (B,)]
    box = shop.world.host.box("shop-gateway")
    assert len(box.names(CERTIFICATES)) == 2
    text = str(observe(shop.world.house).config)
    assert "https://$host:8443$request_uri" in text
    assert "PRIVATE" not in text


def test_nginx_answers_before_an_authority_is_asked(shop: Shop) -> None:
    """By the print of the key that the account has."""
    seen = []
    shop.issuer.witness = lambda: seen.append(shop.table().account)
    shop.world.up()
    assert seen == [print_key(shop.issuer.accounts[0].key)] * 2
    assert f'$1.{seen[0]}"' in str(observe(shop.world.house).config)


def test_a_second_up_asks_nobody(shop: Shop) -> None:
    """And changes nothing."""
    shop.world.begin()
    shop.issuer.asked.clear()
    done = shop.world.up()
    assert (done.gateway, done.warnings, shop.issuer.asked) == ("unchanged", (), [])
    assert shop.world.changes() == []


def test_a_release_asks_nobody_and_keeps_all(shop: Shop) -> None:
    """Nor does it need a key: what serves is in the config that serves."""
    shop.world.begin()
    before = shop.table()
    shop.issuer.asked.clear()
    assert shop.world.deploy("v2").outcome == "deployed"
    assert (shop.table(), shop.issuer.asked) == (before, [])
    assert not shop.world.status().drift


def test_what_ends_soon_is_renewed_by_the_same_account(shop: Shop) -> None:
    """By `up` and by `certs renew`; before that, neither asks."""
    shop.world.begin()
    old = shop.of(A)
    assert renew_certificates(shop.world.house).added == ()
    shop.pass_days(61)
    done = renew_certificates(shop.world.house)
    assert shop.issuer.asked == [A, B]
    assert [one.names for one in done.added] == [(A,), (B,)]
    assert done.failed == ()
    assert shop.of(A).ends > old.ends
    assert len({account.key for account in shop.issuer.accounts}) == 1
    shop.pass_days(61)
    assert shop.world.up().gateway == "unchanged"
    assert shop.issuer.asked == [A, B]


def test_the_authoritys_word_comes_before_the_last_third(shop: Shop) -> None:
    """A time that is over renews, one that is to come does not; `force` asks for all."""
    shop.world.begin()
    shop.issuer.asked.clear()
    now = shop.world.clock.now()
    shop.issuer.advice = now + timedelta(days=1)
    assert renew_certificates(shop.world.house).added == ()
    shop.issuer.advice = now - timedelta(days=1)
    assert len(renew_certificates(shop.world.house).added) == 2
    shop.issuer.advice = None
    shop.issuer.asked.clear()
    assert len(renew_certificates(shop.world.house, force=True).added) == 2
    assert shop.issuer.asked == [A, B]


def test_an_order_is_for_what_the_same_authority_has_issued(shop: Shop) -> None:
    """It is told which certificate the new one replaces; of another authority's it knows nothing."""
    shop.world.begin()
    assert shop.issuer.replaced == [None, None]
    box = shop.world.host.box("shop-gateway")
    place = f"{CERTIFICATES}/{shop.of(A).id}/chain.pem"
    served = shop.world.engine.read(box.id, place).encode()
    renew_certificates(shop.world.house, force=True)
    assert shop.issuer.replaced[2] == served
    shop.world.document["gateway"]["tls"]["acme"] = {"directory": "staging"}
    shop.world.up()
    assert shop.issuer.replaced[4:] == [None, None]


def test_one_that_is_down_is_asked_once_and_stops_nothing(shop: Shop) -> None:
    """The stack is up, served without TLS, and told so."""
    shop.issuer.faults = {A: DOWN, B: DOWN}
    done = shop.world.up()
    assert done.exit_code == 0
    assert len(shop.world.serving()) == 1
    assert shop.issuer.asked == [A]
    assert [text.partition(":")[0] for text in done.warnings] == [
        f"`{A}` is served without TLS",
        f"`{B}` is served without TLS",
    ]
    assert all("Connection refused" in text for text in done.warnings)


def test_a_name_that_is_refused_keeps_no_other_from_its_certificate(shop: Shop) -> None:
    """The others are asked for, and served."""
    shop.issuer.faults = {A: IssuanceError("it does not lead here", alone=True)}
    (told,) = shop.world.up().warnings
    assert told == f"`{A}` is served without TLS: it does not lead here"
    assert shop.of(B)
    assert not shop.table().of(A)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"names": ("other.example",)}, "names other.example"),
        ({"names": (A, "other.example")}, "names a.example, other.example"),
        ({"age": 200}, "ended on"),
        ({"age": -2}, "is not valid yet"),
    ],
)
def test_a_wrong_certificate_is_not_served(shop: Shop, fault: dict[str, Any], told: str) -> None:
    """The old one is, until there is a right one."""
    shop.world.begin()
    old = shop.of(A)
    shop.pass_days(61)
    shop.issuer.lies = {A: fault}
    done = renew_certificates(shop.world.house)
    (text,) = done.failed
    assert text.startswith(f"`{A}` keeps its certificate of {old.end}: ")
    assert told in text
    assert text.endswith("`stackctl certs renew`")  # there is no file of which one could be told
    assert shop.of(A) == old
    assert shop.of(B).begins > old.begins


def test_a_key_that_does_not_fit_is_not_served(shop: Shop) -> None:
    """NGINX itself would take it."""
    shop.issuer.foreign_key = True
    assert all("is not the key of" in text for text in shop.world.up().warnings)
    assert not shop.table()


def test_what_nginx_refuses_is_not_served(shop: Shop) -> None:
    """The old one is, with its files."""
    shop.world.begin()
    old = shop.table()
    shop.pass_days(61)
    shop.issuer.witness = lambda: shop.world.host.habits.refuses.update(
        {"ssl_certificate": "[emerg] cannot load"}
    )
    done = renew_certificates(shop.world.house)
    assert len(done.failed) == 2
    assert "[emerg] cannot load" in done.failed[0]
    assert shop.table() == old
    box = shop.world.host.box("shop-gateway")
    assert {one.id for one in old.certificates} <= {*box.names(CERTIFICATES)}


def test_what_has_failed_is_not_asked_again_at_once(shop: Shop) -> None:
    """By `up`: authorities lock out who does. `certs renew` asks, and a success is the end of it."""
    shop.issuer.faults = {A: DOWN}
    shop.world.up()
    shop.issuer.asked.clear()
    told = shop.world.up().warnings
    assert shop.issuer.asked == []
    assert "the last attempt failed, and `up` makes the next one after" in told[0]
    shop.world.clock.sleep(16 * 60)
    shop.world.up()
    assert shop.issuer.asked == [A]
    shop.world.clock.sleep(16 * 60)
    shop.issuer.asked.clear()
    shop.world.up()
    assert shop.issuer.asked == []  # twice in a row is twice as long
    shop.issuer.faults = {}
    assert renew_certificates(shop.world.house).failed == ()
    assert shop.issuer.asked == [A, B]
    assert shop.world.up().warnings == ()


def test_an_own_certificate_goes_before(shop: Shop, tmp_path: Path) -> None:
    """Its hosts are nobody's to ask for, and neither is a star's."""
    issued = Authority(shop.world.clock.now()).issue(A)
    files = issued.write(tmp_path, "own")
    shop.world.document["gateway"]["tls"]["certificates"] = [files]
    shop.world.notes["routes"][0]["host"] = [A, B, "*.c.example"]
    shop.world.notes["redirect_from"] = ["www.a.example"]
    told = shop.world.up().warnings
    assert shop.issuer.asked == [B, "www.a.example"]
    assert any(text.startswith("`*.c.example` is served without TLS") for text in told)
    assert len(shop.table().certificates) == 3


def test_nothing_is_asked_for_an_address(shop: Shop) -> None:
    """Nor for one that leads on; it is served without TLS, and told so."""
    shop.world.notes["routes"][0]["host"] = [A, "192.0.2.7"]
    shop.world.notes["redirect_from"] = ["192.0.2.8"]
    (told,) = shop.world.up().warnings
    assert told.startswith("`192.0.2.7` is served without TLS: no certificate is asked for an addr")
    assert shop.issuer.asked == [A]


def test_another_authority_is_asked_anew(shop: Shop) -> None:
    """From trials to browsers' own; until it has issued, what served serves."""
    shop.world.document["gateway"]["tls"]["acme"] = {"directory": "staging"}
    shop.world.begin()
    old = shop.table()
    shop.world.document["gateway"]["tls"]["acme"] = {"email": "ops@a.example"}
    shop.issuer.faults = {B: DOWN}
    shop.issuer.asked.clear()
    shop.world.up()
    assert shop.issuer.asked == [A, B]
    assert shop.of(A) not in old.certificates
    assert shop.of(B) in old.certificates
    keys = {account.directory: account.key for account in shop.issuer.accounts}
    assert len(set(keys.values())) == 2
    assert shop.issuer.accounts[-1].email == "ops@a.example"


def test_a_gateway_that_is_made_anew_asks_nobody(shop: Shop) -> None:
    """What was issued lies in its volume; what is lost there is asked for."""
    shop.world.begin()
    before = shop.table()
    shop.world.take_down()
    shop.issuer.asked.clear()
    shop.world.up()
    assert (shop.table(), shop.issuer.asked) == (before, [])
    shop.world.take_down(volumes=True)
    shop.world.up()
    assert shop.issuer.asked == [A, B]


def test_without_the_key_in_stack_yaml_nothing_of_it_stays(shop: Shop, tmp_path: Path) -> None:
    """Neither what was issued, nor what answers an authority."""
    shop.world.begin()
    files = Authority(shop.world.clock.now()).issue(A).write(tmp_path, "own")
    shop.world.document["gateway"]["tls"] = {"certificates": [files]}
    shop.world.up()
    assert [one.directory for one in shop.table().certificates] == [""]
    assert "acme-challenge" not in str(observe(shop.world.house).config)


def test_no_key_comes_into_what_a_release_leaves(shop: Shop) -> None:
    """Neither the account's nor a certificate's: not into evidence, events, labels or the config."""
    shop.world.begin()
    shop.world.deploy("v2")
    box = shop.world.host.box("shop-gateway")
    (folder,) = box.names(ACCOUNTS)
    places = [f"{ACCOUNTS}/{folder}"]
    places += [f"{CERTIFICATES}/{one.id}" for one in shop.table().certificates]
    keys = [shop.world.engine.read(box.id, f"{place}/key.pem") for place in places]
    secrets = [key.splitlines()[1] for key in keys]
    texts = [path.read_text() for path in shop.world.house.reports.rglob("*") if path.is_file()]
    texts += [repr(event) for event in shop.world.events]
    texts += [repr(one.spec) for one in shop.world.host.boxes.values()]
    texts.append(str(observe(shop.world.house).config))
    assert len(secrets) == 3
    assert not any(secret in text for text in texts for secret in secrets)
    assert secrets[0] not in repr(shop.issuer.accounts)


def test_an_end_that_is_near_is_seen_wherever_one_looks(shop: Shop) -> None:
    """By `status`, `plan` and the doctor, who says as well that there is none yet."""
    world = shop.world

    def judge() -> tuple[str, str]:
        now, ask = world.clock.now(), world.house.admin.config
        seen = see_certificates(world.house.stack, world.folder, now, ask)
        found = judge_certificates(seen)
        assert found is not None
        return found.verdict, found.text

    assert judge() == ("ok", "an authority is asked for them: none is served yet")
    world.begin()
    assert judge()[0] == "ok"
    assert world.status().warnings == ()
    shop.pass_days(70)
    told = world.status().warnings
    assert told[0].endswith("in 19 days: `stackctl certs renew` asks for the next one")
    assert len(told) == 2
    assert set(told) <= {*forecast(world.house, None, None).warnings}
    assert judge() == ("warning", told[0].partition(": ")[0])


def test_an_authority_that_looks_at_records_issues_for_stars_as_well(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a program that somebody has permitted; without that, `up` changes nothing."""
    shop.world.document["gateway"]["tls"] = {"acme": {"dns": ["./dns.sh"]}}
    shop.world.notes["routes"] = [{"path": "/", "host": [A, "*.a.example"]}]
    with pytest.raises(ConfigurationError, match="nobody has permitted it"):
        shop.world.up()
    assert shop.world.states() == {}
    monkeypatch.setenv("STACKCTL_ALLOW_DNS_COMMAND", "1")
    assert shop.world.up().warnings == ()
    assert shop.issuer.asked == [A, "*.a.example"]
    assert isinstance(shop.issuer.records, Program)
    assert shop.issuer.records.command == ("./dns.sh",)
    assert shop.issuer.records.folder == shop.world.folder
    assert shop.of("b.a.example").names == ("*.a.example",)
