"""The config of the door that stacks share: what it says, and what is taken from one that is read back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.values import Network
from orchestrator.gateway.config import MARK
from orchestrator.gateway.shared import (
    Part,
    choose_address,
    find_claim,
    find_own,
    parse_door,
    render_door,
)

SHOP = Part("172.31.0.2", ("shop.example", "*.shop.example", "default"))
BLOG = Part("172.31.0.3", ("blog.example",))
NETWORK = Network(
    "door", {}, internal=True, subnet="172.31.0.0/29", pool="172.31.0.6/31", gateway="172.31.0.5"
)


def test_each_stack_has_a_file_of_its_own() -> None:
    """And a config says of itself what it was made of, whoever came first."""
    config = render_door({"shop": SHOP, "blog": BLOG})
    assert config.beside == {
        "parts/blog.hosts": "blog.example 172.31.0.3;\n",
        "parts/shop.hosts": "shop.example 172.31.0.2;\n*.shop.example 172.31.0.2;\n"
        "\\default 172.31.0.2;\n",
    }
    found = parse_door(config.text)
    assert found is not None
    assert (found.id, found.parts) == (config.id, {"shop": SHOP, "blog": BLOG})
    assert render_door({"blog": BLOG, "shop": SHOP}).id == config.id
    assert render_door({"blog": BLOG}).id != config.id


@given(st.text(max_size=200) | st.dictionaries(st.text(), st.integers()).map(json.dumps))
def test_no_text_that_is_none_of_ours_is_taken_for_a_config(text: str) -> None:
    """Nor breaks whoever reads it."""
    assert parse_door(text) is None
    assert parse_door(MARK + text) is None


@pytest.mark.parametrize(
    "change",
    [
        {"layout": 3},
        {"config": "../other"},
        {"parts": {"../shop": SHOP.facts()}},
        {"parts": {"shop": {"address": "172.31.0.2; }", "hosts": []}}},
        {"parts": {"shop": {"address": 2887712770, "hosts": []}}},
        {"parts": {"shop": {"address": "172.31.0.2", "hosts": ["a b"]}}},
        {"parts": {"shop": {"address": "172.31.0.2", "hosts": "shop"}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_read_back_is_what_could_have_been_written(change: dict[str, object]) -> None:
    """It goes into the next config as it is."""
    first, _, rest = render_door({"shop": SHOP}).text.partition("\n")
    said = json.loads(first.removeprefix(MARK))
    assert parse_door(f"{MARK}{json.dumps(said)}\n{rest}") is not None
    assert parse_door(f"{MARK}{json.dumps(said | change)}\n{rest}") is None


def test_a_host_has_one_stack() -> None:
    """An exact name may lie below another one's star."""
    assert find_claim({"shop": SHOP, "blog": BLOG}, ["a.example", "blog.example"]) == (
        "blog.example",
        "blog",
    )
    assert find_claim({"shop": SHOP}, ["a.shop.example", "blog.example"]) is None


def test_a_gateway_keeps_its_address_or_gets_a_free_one() -> None:
    """Not the door's own, nor one that somebody has; where none is left, none."""
    assert find_own(NETWORK) == "172.31.0.1"
    assert choose_address(NETWORK, {"shop": SHOP}, "shop") == "172.31.0.2"
    assert choose_address(NETWORK, {"shop": SHOP}, "blog") == "172.31.0.3"
    moved = Part("10.0.0.2", SHOP.hosts)  # of a network that was made anew since
    assert choose_address(NETWORK, {"shop": moved}, "shop") == "172.31.0.2"
    full = {f"s{n}": Part(f"172.31.0.{n}", ()) for n in (2, 3, 4)}
    assert choose_address(NETWORK, full, "blog") is None
