"""`up` takes certificates in: checked before anything is touched, by one reload, and never into evidence."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.doctor.certificates import judge_certificates, see_certificates
from orchestrator.doctor.gathering import Late
from orchestrator.errors import ConfigurationError, GatewayError, StackctlError
from orchestrator.events import PhaseBegan
from orchestrator.gateway.files import CERTIFICATES
from orchestrator.lifecycle.certification import gather_certificates
from orchestrator.lifecycle.forecast import forecast
from orchestrator.lifecycle.renewal import list_certificates, renew_certificates
from orchestrator.release.observe import observe
from orchestrator.stack import naming
from tests.fakes.authority import Authority, Issued
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

HOST = "shop.example"


class Shop:
    """A stack whose gateway has TLS, and who issues its certificates."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.world = World(folder)
        self.authority = Authority(self.world.clock.now())
        self.issued = self.renew()
        tls = {"certificates": [{"certificate": "shop.pem", "key": "shop.key"}], **more}
        self.world.document["gateway"]["tls"] = tls

    def renew(self, *names: str, **how: Any) -> Issued:
        """Have a certificate issued, and lay it beside stack.yaml."""
        self.issued = self.authority.issue(*(names or (HOST,)), **how)
        self.issued.write(self.world.folder, "shop")
        return self.issued

    def served(self) -> list[str]:
        """Return the ids of the certificates that NGINX serves."""
        return [one.id for one in observe(self.world.house).certificates.certificates]

    @property
    def end(self) -> str:
        """Return the day on which the certificate ends."""
        return f"{self.issued.certificate.not_valid_after_utc:%Y-%m-%d}"

    def stored(self) -> list[str]:
        """Return the ids of those in the gateway's volume."""
        return self.world.host.box("shop-gateway").names(CERTIFICATES)

    def text(self) -> str:
        """Return the config that NGINX serves."""
        config = observe(self.world.house).config
        assert config is not None
        return config.text


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Return a stack with a certificate; nothing runs."""
    return Shop(tmp_path)


def test_a_first_up_serves_what_stack_yaml_names(shop: Shop) -> None:
    """The pair is in the volume before NGINX starts, and the door is published."""
    done = shop.world.up()
    (served,) = shop.served()
    assert done.exit_code == 0
    assert shop.stored() == [served]
    box = shop.world.host.box("shop-gateway")
    files = {name: f"{CERTIFICATES}/{served}/{name}" for name in ("chain.pem", "key.pem")}
    read = {name: shop.world.engine.read(box.id, path) for name, path in files.items()}
    assert read == {
        "chain.pem": shop.issued.chain.decode(),
        "key.pem": shop.issued.key_pem.decode(),
    }
    assert f"ssl_certificate_key {files['key.pem']};" in shop.text()
    assert dict(box.spec.ports)[8443].port == 8443


def test_a_second_up_changes_nothing(shop: Shop) -> None:
    """Not the volume either."""
    shop.world.begin()
    assert shop.world.up().gateway == "unchanged"
    assert shop.world.changes() == []


def test_another_certificate_is_one_reload(shop: Shop) -> None:
    """The one before is removed once it does not serve any more."""
    shop.world.begin()
    (old,) = shop.served()
    shop.renew()
    assert shop.world.up().gateway == "reconfigured"
    (new,) = shop.served()
    assert new != old
    assert shop.stored() == [new]


def test_a_refused_config_leaves_the_certificate_that_served(shop: Shop) -> None:
    """With its files, and with the link that NGINX starts from."""
    shop.world.begin()
    (old,) = shop.served()
    shop.renew()
    shop.world.host.habits.refuses["ssl_certificate"] = "[emerg] cannot load certificate"
    with pytest.raises(GatewayError, match="cannot load certificate"):
        shop.world.up()
    assert shop.served() == [old]
    assert old in shop.stored()


def test_files_that_are_lost_come_back(shop: Shop) -> None:
    """NGINX needs them at its next start: nobody notices until then."""
    shop.world.begin()
    (served,) = shop.served()
    box = shop.world.host.box("shop-gateway")
    shop.world.engine.execute(box.id, ("rm", "-rf", "--", f"{CERTIFICATES}/{served}/key.pem"))
    assert shop.world.up().gateway == "unchanged"
    assert shop.world.engine.read(box.id, f"{CERTIFICATES}/{served}/key.pem")


def test_a_bad_pair_is_told_before_anything_is_made(shop: Shop) -> None:
    """No network, no container."""
    (shop.world.folder / "shop.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="others may read the key"):
        shop.world.up()
    assert shop.world.host.boxes == {}


def test_a_release_keeps_what_serves(shop: Shop) -> None:
    """It reads no file: whoever releases need not have the key."""
    shop.world.begin()
    (served,) = shop.served()
    for name in ("shop.pem", "shop.key"):
        (shop.world.folder / name).unlink()
    assert shop.world.deploy("v2").outcome == "deployed"
    assert shop.served() == [served]
    assert not shop.world.status().drift


def test_no_key_comes_into_what_a_release_leaves(shop: Shop) -> None:
    """Neither into a file of the evidence, nor into an event, a label or the config."""
    shop.world.begin()
    shop.world.deploy("v2")
    secret = shop.issued.key_pem.decode().splitlines()[1]
    files = [path for path in shop.world.house.reports.rglob("*") if path.is_file()]
    assert files
    texts = [path.read_text() for path in files] + [repr(event) for event in shop.world.events]
    texts += [repr(box.spec) for box in shop.world.host.boxes.values()] + [shop.text()]
    assert not any(secret in text or "PRIVATE KEY" in text for text in texts)
    assert any("ssl_certificate_key" in text for text in texts)  # where it lies is told


def test_nobody_is_sent_to_a_door_that_is_not_there(tmp_path: Path) -> None:
    """A gateway from before TLS publishes none: the config waits until it is made anew."""
    world = World(tmp_path).begin()
    shop = Shop.__new__(Shop)
    shop.world, shop.authority = world, Authority(world.clock.now())
    shop.renew()
    files = {"certificate": "shop.pem", "key": "shop.key"}
    world.document["gateway"]["tls"] = {"certificates": [files]}
    done = world.up()
    assert any("`stackctl up --allow-downtime` recreates it" in text for text in done.warnings)
    assert "ssl" not in shop.text()
    assert world.up(allow_downtime=True).gateway == "recreated"
    assert "https://$host:8443$request_uri" in shop.text()
    assert naming.TLS in world.host.box("shop-gateway").spec.labels


def test_a_new_port_counts_once_the_gateway_has_it(shop: Shop) -> None:
    """Until then users are sent to the one that there is."""
    shop.world.begin()
    shop.world.document["gateway"]["tls"]["listen"] = 9443
    shop.world.up()
    assert "https://$host:8443$request_uri" in shop.text()
    shop.world.up(allow_downtime=True)
    assert "https://$host:9443$request_uri" in shop.text()


def test_without_tls_no_certificate_stays(shop: Shop) -> None:
    """Not in the config, and not in the volume."""
    shop.world.begin()
    del shop.world.document["gateway"]["tls"]
    shop.world.up()
    assert (shop.served(), shop.stored()) == ([], [])
    assert "ssl" not in shop.text()


def test_what_will_end_is_told(tmp_path: Path) -> None:
    """By `up`, in its warnings; what has ended and serves does not keep `up` from its work."""
    shop = Shop(tmp_path)
    shop.renew(days=90, age=80)
    assert any("ends on" in text and "in 10 days" in text for text in shop.world.up().warnings)
    shop.world.clock.sleep(20 * 86400)
    done = shop.world.up()
    assert any("ended on" in text for text in done.warnings)
    assert done.exit_code == 0


def test_renewed_files_are_taken_in_alone(shop: Shop) -> None:
    """By `certs renew`: one reload, no release, and what was replaced is told."""
    shop.world.begin()
    (old,) = shop.served()
    assert renew_certificates(shop.world.house).added == ()
    shop.renew()
    done = renew_certificates(shop.world.house)
    (new,) = shop.served()
    assert [one.id for one in done.added] == [new]
    assert [one.id for one in done.removed] == [old]
    assert list_certificates(shop.world.house) == done.served
    assert not [event for event in shop.world.events if isinstance(event, PhaseBegan)]


def test_a_renewal_that_fails_takes_nothing_away(shop: Shop) -> None:
    """Not by a bad pair, and not where stack.yaml or the gateway has no TLS."""
    shop.world.begin()
    (old,) = shop.served()
    shop.authority.issue(HOST).write(shop.world.folder, "other")
    (shop.world.folder / "shop.key").write_bytes((shop.world.folder / "other.key").read_bytes())
    with pytest.raises(ConfigurationError, match="is not the key of"):
        renew_certificates(shop.world.house)
    assert (shop.served(), shop.stored()) == ([old], [old])
    del shop.world.document["gateway"]["tls"]
    with pytest.raises(ConfigurationError, match=r"has no `gateway\.tls`"):
        renew_certificates(shop.world.house)


def test_a_renewal_says_how_the_door_is_made(tmp_path: Path) -> None:
    """Where the gateway is older than `tls` in stack.yaml."""
    world = World(tmp_path).begin()
    shop = Shop.__new__(Shop)
    shop.world, shop.authority = world, Authority(world.clock.now())
    shop.renew()
    world.document["gateway"]["tls"] = {
        "certificates": [{"certificate": "shop.pem", "key": "shop.key"}]
    }
    with pytest.raises(StackctlError, match="without a door for TLS") as raised:
        renew_certificates(world.house)
    assert "--allow-downtime" in str(raised.value.hint)


def test_an_end_that_is_near_is_seen_wherever_one_looks(shop: Shop) -> None:
    """By `status` and `plan`, from what is served: without the files."""
    shop.world.begin()
    assert shop.world.status().warnings == ()
    shop.world.clock.sleep(70 * 86400)
    (told,) = shop.world.status().warnings
    assert told.endswith("in 18 days: renew it, then `stackctl certs renew`")
    assert told in forecast(shop.world.house, None, None).warnings


def test_the_doctor_looks_at_pairs_as_up_does(shop: Shop) -> None:
    """Good, soon over, bad, or not to be told in time."""
    world, now = shop.world, shop.world.clock.now()
    shop.renew(above=[shop.authority.intermediate, shop.authority.root])

    def judge(later: float = 0) -> tuple[str, str]:
        at = now + timedelta(days=later)
        try:
            seen: Any = see_certificates(
                world.house.stack, world.folder, at, world.house.admin.config
            )
        except ConfigurationError as error:
            seen = error
        found = judge_certificates(seen)
        assert found is not None
        return found.verdict, found.text

    assert judge()[0] == "ok"
    assert judge(70) == ("warning", f"the certificate of `{HOST}` ends on {shop.end}, in 19 days")
    assert judge(90)[0] == "fault"
    world.begin()
    assert judge(90) == ("warning", f"the certificate of `{HOST}` ended on {shop.end}")
    world.notes["routes"] = [{"path": "/", "host": [HOST, "plain.example"]}]
    plain = "no certificate names `plain.example`: it is served without TLS"
    assert judge() == ("warning", plain)
    (world.folder / "shop.key").chmod(0o604)
    assert judge() == ("fault", "others may read the key in `shop.key` (mode 0604)")
    late = judge_certificates(Late("there is no answer within 4 s"))
    assert late is not None
    assert late.verdict == "unknown"
    del world.document["gateway"]["tls"]
    assert see_certificates(world.house.stack, world.folder, now) is None
    assert judge_certificates(None) is None


def test_a_host_without_a_certificate_is_told(shop: Shop) -> None:
    """It goes on without TLS: whoever forgot it would not see that."""
    hosts = [HOST, "plain.example"]
    shop.world.notes["routes"] = [{"path": "/", "host": hosts}]
    told = gather_certificates(shop.world.house, observe(shop.world.house)).warnings
    assert "no certificate names `plain.example`: it is served without TLS" in told
    assert not any(f"`{HOST}`" in text for text in told)
