"""Stacks that share a door: who comes, goes or is refused is nothing to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import ContainerSpec
from orchestrator.errors import Conflict, GatewayError, LockedError
from orchestrator.stack import naming
from tests.fakes.tenants import DOOR, Tenant

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Tenant:
    """Return a stack that is yet to come."""
    return Tenant(tmp_path / "shop", "shop", 8081)


@pytest.fixture
def blog(tmp_path: Path, shop: Tenant) -> Tenant:
    """Return another one on the same machine."""
    return Tenant(tmp_path / "blog", "blog", 8082, shop)


def change_hosts(tenant: Tenant, *hosts: str) -> None:
    """Give the routes of a stack other hosts."""
    tenant.notes["routes"] = [{"path": "/", "host": list(hosts)}]


def test_the_first_one_brings_the_door_up_and_the_last_one_takes_it_down(
    shop: Tenant, blog: Tenant
) -> None:
    """Nothing of it is left then."""
    shop.up()
    assert (shop.answers(), blog.answers()) == (True, False)
    blog.up()
    assert (shop.answers(), blog.answers()) == (True, True)
    assert shop.take_down().containers == ("shop-gateway", "shop-notes-blue-1", "shop-notes-blue-2")
    assert (shop.answers(), blog.answers()) == (False, True)
    assert DOOR in blog.take_down().containers
    left = [*(box.spec.name for box in shop.host.boxes.values()), *shop.host.networks]
    assert left == []
    assert not [name for name in shop.host.disks if name.startswith(naming.SHARED)]


def test_a_host_of_another_stack_is_refused_before_anything_is_changed(
    shop: Tenant, blog: Tenant
) -> None:
    """With its name; one that is gone without `down` has no claim."""
    shop.up()
    change_hosts(blog, "blog.example", "shop.example")
    blog.changes()
    with pytest.raises(Conflict, match=r"`shop\.example` is a host of the stack `shop`"):
        blog.up()
    assert {subject for _, subject in blog.changes()} == {"blog-lock"}
    for box in [box for box in shop.host.boxes.values() if box.spec.labels[naming.STACK] == "shop"]:
        shop.host.forget(box, data=True)
    blog.up()
    assert (shop.answers(), blog.answers()) == (True, True)  # both hosts are the other one's now


def test_a_door_at_other_ports_is_told(shop: Tenant, blog: Tenant) -> None:
    """Whoever came first has said where it is."""
    shop.up()
    blog.document["gateway"]["door"] = {"listen": 8000}
    with pytest.raises(
        Conflict, match=r"at 0\.0\.0\.0:80, and stack\.yaml says 0\.0\.0\.0:8000"
    ) as told:
        blog.up()
    assert told.value.hint == "say the same: `gateway: {door: {listen: 0.0.0.0:80}}`"
    assert "blog-gateway" not in {box.spec.name for box in shop.host.boxes.values()}


def test_a_config_that_nginx_refuses_changes_nothing_for_others(shop: Tenant, blog: Tenant) -> None:
    """NGINX's words are told, and the next `up` comes in."""
    shop.up()
    shop.host.habits.refuses['"blog":{"address"'] = "[emerg] conflicting parameter"
    with pytest.raises(GatewayError, match="conflicting parameter"):
        blog.up()
    assert (shop.answers(), blog.answers()) == (True, False)
    shop.host.habits.refuses.clear()
    blog.up()
    assert (shop.answers(), blog.answers()) == (True, True)


def test_other_hosts_are_led_once_up_has_run(shop: Tenant, blog: Tenant) -> None:
    """A release changes nothing of the door."""
    for each in (shop, blog):
        each.up()
    served = shop.host.shared
    assert served is not None
    assert served.nginx is not None
    before = served.nginx.text
    change_hosts(shop, "shop.example", "new.example")
    assert shop.deploy("v2").outcome == "deployed"
    assert served.nginx.text == before
    shop.up()
    assert '"new.example"' in served.nginx.text
    assert (shop.answers(), blog.answers()) == (True, True)


def test_a_gateway_moves_in_and_out_with_downtime_only(shop: Tenant, blog: Tenant) -> None:
    """Until its container is made anew, it is reached as it was."""
    blog.up()
    own = {key: value for key, value in shop.document["gateway"].items() if key != "door"}
    shared, shop.document["gateway"] = shop.document["gateway"], {**own, "listen": 8000}
    shop.up()
    shop.document["gateway"] = shared
    told = shop.up().warnings
    assert any("`shop-gateway` differs" in text or "recreates it" in text for text in told), told
    assert shop.host.shared is not None
    assert shop.host.shared.nginx is not None
    assert "shop.example" not in shop.host.shared.nginx.text
    shop.up(allow_downtime=True)
    assert (shop.answers(), blog.answers()) == (True, True)
    shop.document["gateway"] = {**own, "listen": 8000}
    shop.up(allow_downtime=True)
    assert (shop.answers(), blog.answers()) == (False, True)
    blog.take_down()
    assert shop.host.shared is None


def test_a_door_that_is_gone_comes_back_with_all_that_it_led_to(shop: Tenant, blog: Tenant) -> None:
    """Its volume has told; `status` of each says that it leads nowhere meanwhile."""
    for each in (shop, blog):
        each.up()
    shop.host.forget(shop.host.box(DOOR), data=True)
    assert shop.status().gateway.door == "apart"
    assert "does not lead to this gateway" in shop.status().gateway.trouble
    shop.up()
    assert (shop.answers(), blog.answers()) == (True, True)


def test_whoever_changes_the_door_waits_for_another_who_does(shop: Tenant, blog: Tenant) -> None:
    """For a while, and then says who it is."""
    shop.up()
    labels = naming.labels(naming.SHARED, "lock", holder="ann", host="far", command="up")
    name = naming.part_name(naming.SHARED, "lock")
    held = shop.engine.hold(
        ContainerSpec(name=name, image="nginx:1.30", labels=labels, network=None)
    )
    with pytest.raises(LockedError, match="ann on far holds the lock"):
        blog.up()
    held.release()
    blog.up()
    assert blog.answers()


def test_a_network_that_was_pruned_while_all_was_stopped_is_made_anew(
    shop: Tenant, blog: Tenant
) -> None:
    """With other addresses: whoever does not run is moved there by its own `up`."""
    for each in (shop, blog):
        each.up()
    for box in [*shop.host.boxes.values()]:
        shop.host.end("stop", box)
    for name in (naming.network_name(naming.SHARED), naming.edge_name(naming.SHARED)):
        del shop.host.networks[name]
    blog.up()
    assert (shop.answers(), blog.answers()) == (False, True)
    shop.up()
    assert (shop.answers(), blog.answers()) == (True, True)
