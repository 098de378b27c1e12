"""`gateway.url`: where clients come through a proxy, and what is said where that leads elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestrator.certificates.table import NO_CERTIFICATES
from orchestrator.doctor.finding import Verdict
from orchestrator.doctor.ports import judge_url
from orchestrator.errors import GatewayError
from orchestrator.gateway.admin import Admin
from orchestrator.lifecycle.forecast import forecast
from orchestrator.lifecycle.status import read_status
from orchestrator.lifecycle.up import bring_up
from orchestrator.release.observe import observe
from orchestrator.release.plan import Order
from orchestrator.release.reach import Door, find_url, look_at_door, require_door
from orchestrator.release.rollout import deploy
from orchestrator.release.witness import find_secure_door
from orchestrator.stack.quantities import Address
from orchestrator.stack.url import PublicUrl, Url
from tests.fakes.wire import ask_by
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.gateway.config import Config
    from orchestrator.gateway.outside import Outside
    from orchestrator.release.house import House

URL = "https://shop.example"
MISS = "it answers 502 without the gateway's `X-Stackctl-Served`"
TOLD = f"{URL} does not lead to this gateway: {MISS}"


class Astray:
    """A proxy that leads elsewhere."""

    def find_miss(self, *_: object) -> str:
        """Say so."""
        return MISS


def astray(world: World) -> House:
    """Return the house as it is where the URL leads elsewhere."""
    world.document["gateway"]["url"] = URL
    house, listen = world.house, world.host.listen
    gateway, outside = house.stack.gateway, cast("Outside", Astray())
    admin = Admin(gateway.admin, gateway.listen, ask_by(listen), world.host.has, outside=outside)
    return replace(house, admin=admin)


def give_route(world: World) -> str:
    """Let users come to the service; return by which path."""
    world.notes["routes"] = [{"path": "/notes/"}]
    return "/notes/"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A stack that serves v1."""
    return World(tmp_path).begin()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (URL, PublicUrl(secure=True, host="shop.example", port=443)),
        (f"{URL}/", PublicUrl(secure=True, host="shop.example", port=443)),
        (f"{URL}:8443", PublicUrl(secure=True, host="shop.example", port=8443)),
        ("http://10.0.0.7:8080", PublicUrl(secure=False, host="10.0.0.7", port=8080)),
        ("http://[2001:db8::1]", PublicUrl(secure=False, host="2001:db8::1", port=80)),
    ],
)
def test_a_url_is_read_and_written(written: str, read: PublicUrl) -> None:
    """Without what everybody knows: the usual port, and that there is no path."""
    assert TypeAdapter(Url).validate_python(written) == read
    assert str(read) == written.rstrip("/")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("https://shop.example/shop", "expected no path behind the host: `https://shop.example`"),
        ("shop.example", "expected `https://` or `http://` before it: `https://shop.example`"),
        ("https://Shop.Example", "expected lower case: `https://shop.example`"),
        ("https://shop.example:99999", "expected where clients come"),
        ("https://ann:secret@shop.example", "expected where clients come"),
        ("ftp://shop.example", "expected where clients come"),
        ("https://", "expected where clients come"),
        (443, "expected where clients come"),
    ],
)
def test_what_is_no_url_is_refused_with_what_was_meant(written: object, told: str) -> None:
    """In one line."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Url).validate_python(written)
    (error,) = caught.value.errors()
    assert told in error["msg"]
    assert "\n" not in error["msg"]


def test_people_find_a_service_at_the_url_or_by_its_own_name_there(world: World) -> None:
    """And the witness comes by TLS, as they do, and trusts whom they trust."""
    world.document["gateway"]["url"] = f"{URL}:8443"
    path = give_route(world)
    assert find_url(world.house, "notes", NO_CERTIFICATES) == f"{URL}:8443{path}"
    assert world.house.door == Address("shop.example", 8443)
    snapshot = observe(world.house)
    assert snapshot.gateway is not None
    served = cast("Config", snapshot.config)
    door = find_secure_door(world.house, snapshot.gateway, served)
    assert door is not None
    assert (door.address, door.host, door.trusted) == (
        ("shop.example", 8443),
        "shop.example:8443",
        True,
    )
    world.notes["hosts"] = ["notes.example"]
    assert find_url(world.house, "notes", NO_CERTIFICATES) == f"https://notes.example:8443{path}"
    world.document["gateway"]["url"] = "http://shop.example"
    assert find_secure_door(world.house, snapshot.gateway, served) is None


def test_a_url_that_leads_elsewhere_is_told_before_anything_is_built(world: World) -> None:
    """By a release, `status`, `plan` and `up`, each in one line; users keep what they have."""
    give_route(world)
    house = astray(world)
    assert look_at_door(house, observe(house)) is Door.ASTRAY
    with pytest.raises(GatewayError) as caught:
        require_door(house, "notes")
    assert caught.value.message == TOLD
    assert "correct `gateway.url`" in str(caught.value.hint)
    result = deploy(house, Order("notes", "v2"))
    assert result.error is not None
    assert (result.error.message, result.outcome, world.serving()) == (TOLD, "reverted", {"v1"})
    assert read_status(house).gateway.trouble == TOLD
    assert TOLD in forecast(house, None, None).warnings
    (warning,) = (text for text in bring_up(house).warnings if "does not lead" in text)
    assert warning.startswith(TOLD)


def test_the_first_version_does_not_wait_for_a_proxy_that_waits_for_it(world: World) -> None:
    """A proxy that looks after who is behind it leads nobody there before."""
    give_route(world)
    house = astray(world)
    with house.open_gateway(cast("object", observe(house).gateway)) as gateway:  # type: ignore[arg-type]
        gateway.drop("notes")
    require_door(house, "notes")


def test_the_doctor_says_where_a_url_leads() -> None:
    """As long as nobody can tell, that; without a URL nothing."""
    url = PublicUrl(secure=True, host="shop.example", port=443)
    assert judge_url(None, None) is None
    told = [judge_url(url, miss) for miss in (None, "", MISS)]
    assert [finding.verdict for finding in told if finding] == [
        Verdict.UNKNOWN,
        Verdict.OK,
        Verdict.FAULT,
    ]
    assert told[2] is not None
    assert told[2].text == TOLD
