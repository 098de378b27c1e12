"""Which addresses the replicas of a color get, and that nothing takes them away again."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.engine.values import Network
from orchestrator.errors import ConfigurationError
from orchestrator.gateway.addresses import (
    COLORS,
    AddressTable,
    Upstream,
    fit_table,
    parse_table,
)
from orchestrator.stack.model import Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stack.model import Color

PROPERTY = settings(max_examples=200, deadline=None)
POOL = tuple(f"10.77.0.{last}" for last in range(1, 201))
SERVICES = ("auth", "billing", "notes", "web")
WISHES = st.dictionaries(
    st.sampled_from(SERVICES), st.tuples(st.integers(1, 65535), st.integers(1, 5)), min_size=1
)
CANDIDATES = st.none() | st.tuples(st.sampled_from(SERVICES), st.sampled_from(COLORS))
TAKEN = st.sets(st.sampled_from(POOL), max_size=20)


def make_stack(wishes: Mapping[str, tuple[int, int]]) -> Stack:
    """Return a stack of services, each with its port and its number of replicas."""
    services = {
        name: {"image": "web", "port": port, "replicas": replicas}
        for name, (port, replicas) in wishes.items()
    }
    document = {"version": 1, "name": "shop", "gateway": {"image": "nginx"}, "services": services}
    return Stack.model_validate(document)


def make_table(**colors: Upstream) -> AddressTable:
    """Return the table of a service called `web`."""
    known: dict[Color, Upstream] = {color: colors[color] for color in COLORS if color in colors}
    return AddressTable({"web": known})


def list_addresses(table: AddressTable) -> list[str]:
    """Return the addresses of all colors, one that is given twice twice."""
    return [
        address
        for colors in table.upstreams.values()
        for upstream in colors.values()
        for address in upstream.addresses
    ]


@PROPERTY
@given(
    edits=st.lists(st.tuples(WISHES, CANDIDATES, TAKEN, st.permutations(POOL)), min_size=1),
)
def test_no_edit_of_stack_yaml_moves_an_address(
    edits: list[tuple[dict[str, tuple[int, int]], tuple[str, Color] | None, set[str], list[str]]],
) -> None:
    """Services come and go, ports and replicas change: only the candidate takes another shape."""
    served = AddressTable()
    for wishes, candidate, taken, pool in edits:
        fitted = fit_table(served, make_stack(wishes), pool, taken, candidate)
        assert fitted.upstreams.keys() == wishes.keys()
        assert len(fitted.addresses) == len(list_addresses(fitted))
        assert not (fitted.addresses - served.addresses) & taken
        assert fitted.addresses <= {*POOL}
        for name, (port, replicas) in wishes.items():
            for color in COLORS:
                before, after = served.of(name, color), fitted.require(name, color)
                if before is not None and candidate != (name, color):
                    assert after == before
                    continue
                assert (after.port, len(after.addresses)) == (port, replicas)
                kept = before.addresses[:replicas] if before else ()
                assert after.addresses[: len(kept)] == kept
        assert fitted.has(make_stack(wishes))
        served = fitted


@PROPERTY
@given(first=WISHES, second=WISHES, candidate=CANDIDATES, taken=TAKEN)
def test_an_address_rests_for_a_config(
    first: dict[str, tuple[int, int]],
    second: dict[str, tuple[int, int]],
    candidate: tuple[str, Color] | None,
    taken: set[str],
) -> None:
    """What one config lists, the next gives to nobody else: an old worker may still go there."""
    served = fit_table(AddressTable(), make_stack(first), POOL, taken)
    fitted = fit_table(served, make_stack(second), POOL, taken, candidate)
    had = {
        (address, name, color)
        for name in first
        for color in COLORS
        for address in served.require(name, color).addresses
    }
    for name in second:
        for color in COLORS:
            for address in {*fitted.require(name, color).addresses} & served.addresses:
                assert (address, name, color) in had


@PROPERTY
@given(wishes=WISHES, taken=TAKEN, short=st.integers(0, 3))
def test_too_small_a_pool_is_refused(
    wishes: dict[str, tuple[int, int]], taken: set[str], short: int
) -> None:
    """Just enough is enough; with one less nothing is made, and the key to set is named."""
    stack = make_stack(wishes)
    needed = sum(2 * replicas for _, replicas in wishes.values())
    free = [address for address in POOL if address not in taken][: max(0, needed - short)]
    pool = sorted([*taken, *free])
    if short == 0:
        assert fit_table(AddressTable(), stack, pool, taken).addresses == {*free}
        return
    with pytest.raises(ConfigurationError) as raised:
        fit_table(AddressTable(), stack, pool, taken)
    assert f"its services need {needed}" in raised.value.message
    assert "network: {subnet:" in (raised.value.hint or "")


def test_a_table_that_is_full_still_serves() -> None:
    """No address is needed where nothing new is wanted, nor for a candidate that shrinks."""
    served = fit_table(AddressTable(), make_stack({"web": (80, 3)}), POOL[:6], ())
    assert fit_table(served, make_stack({"web": (81, 9)}), (), ()) == served
    fitted = fit_table(served, make_stack({"web": (81, 2)}), (), (), ("web", "green"))
    assert fitted == make_table(blue=Upstream(80, POOL[:3]), green=Upstream(81, POOL[3:5]))


def test_the_lowest_free_addresses_are_given() -> None:
    """In the order of stack.yaml, blue first, each color's in a row."""
    fitted = fit_table(AddressTable(), make_stack({"web": (80, 2)}), POOL, [POOL[1]])
    blue, green = (POOL[0], POOL[2]), (POOL[3], POOL[4])
    assert fitted == make_table(blue=Upstream(80, blue), green=Upstream(80, green))


def test_a_candidate_keeps_what_it_has() -> None:
    """A larger one gets more behind them, whoever else may have taken its own meanwhile."""
    served = fit_table(AddressTable(), make_stack({"web": (80, 1)}), POOL, ())
    wider = fit_table(served, make_stack({"web": (81, 3)}), POOL, POOL[:2], ("web", "blue"))
    blue = Upstream(81, (POOL[0], POOL[2], POOL[3]))
    assert wider == make_table(blue=blue, green=Upstream(80, (POOL[1],)))


def test_an_upstream_tells_its_replicas() -> None:
    """By number from 1, and as NGINX writes them."""
    upstream = Upstream(80, POOL[:2])
    assert [upstream.address(number) for number in (-1, 0, 1, 2, 3)] == [
        None,
        None,
        *POOL[:2],
        None,
    ]
    assert upstream.servers == (f"{POOL[0]}:80", f"{POOL[1]}:80")


def test_a_table_tells_what_it_lacks() -> None:
    """A color without addresses, as a service that it has never heard of."""
    stack = make_stack({"web": (80, 1)})
    blue, green = Upstream(80, POOL[:1]), Upstream(80, POOL[1:2])
    half = make_table(blue=blue)
    assert [half.has(stack), half.of("web", "green"), half.of("api", "blue")] == [False, None, None]
    assert make_table(blue=blue, green=green).has(stack)
    assert not make_table(blue=blue, green=green).has(make_stack({"api": (80, 1)}))
    with pytest.raises(KeyError):
        half.require("web", "green")


@PROPERTY
@given(wishes=WISHES, prefix=st.integers(22, 28), third=st.integers(0, 255))
def test_no_address_of_a_network_that_is_gone_is_kept(
    wishes: dict[str, tuple[int, int]], prefix: int, third: int
) -> None:
    """A color keeps all its addresses, or none where one is not given out by the next network."""
    subnet = ipaddress.IPv4Network(f"10.77.{third}.0/{prefix}", strict=False)
    *_, pool = subnet.subnets(prefixlen_diff=2)
    gateway = str(subnet.broadcast_address - 1)
    network = Network(
        "net", {}, internal=False, subnet=str(subnet), pool=str(pool), gateway=gateway
    )
    given_out = {*network.addresses}
    assert given_out == {str(host) for host in subnet.hosts() if network.owns(str(host))}
    served = fit_table(AddressTable(), make_stack(wishes), POOL, ())
    kept = served.only(network.owns)
    for name in wishes:
        for color in COLORS:
            upstream = served.require(name, color)
            fits = {*upstream.addresses} <= given_out
            assert kept.of(name, color) == (upstream if fits else None)


@PROPERTY
@given(wishes=WISHES, taken=TAKEN)
def test_a_table_is_read_back(wishes: dict[str, tuple[int, int]], taken: set[str]) -> None:
    """From its own facts."""
    table = fit_table(AddressTable(), make_stack(wishes), POOL, taken)
    assert parse_table(table.facts()) == table
