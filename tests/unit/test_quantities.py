"""Quantities and names: from what people write, and to what the engine is told."""

from __future__ import annotations

import pytest

from orchestrator.stack import naming
from orchestrator.stack.quantities import (
    Address,
    Rate,
    parse_address,
    parse_bytes,
    parse_rate,
    parse_seconds,
    write_bytes,
    write_seconds,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("7d", 604_800.0),
        ("0s", 0.0),
        (3, 3.0),
        (0.25, 0.25),
    ],
)
def test_durations_are_read(written: object, seconds: float) -> None:
    """With a unit, or as a number of seconds."""
    assert parse_seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "5",
        "s",
        "-1s",
        "1 s",
        "1s ",
        "1S",
        "1w",
        ".5s",
        "1.2345s",
        "1234567s",
        "٣s",
        "1s\n",
        True,
        None,
        [],
    ],
)
def test_other_durations_are_refused(written: object) -> None:
    """Rather than guessed."""
    with pytest.raises(ValueError, match="expected a duration such as"):
        parse_seconds(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [("0", 0), ("7", 7), ("8b", 8), ("512k", 524288), ("1M", 1048576), ("2g", 2**31), (9, 9)],
)
def test_sizes_are_read(written: object, size: int) -> None:
    """In powers of 1024, or as a number of bytes."""
    assert parse_bytes(written) == size


@pytest.mark.parametrize(
    "written",
    ["", "k", "-1k", "1.5g", "1 k", "1kb", "1t", "1234567890", "1\u212a", "1k\n", True, None, 1.5],
)
def test_other_sizes_are_refused(written: object) -> None:
    """Also such as only look like one: the Kelvin sign is no `k`."""
    with pytest.raises(ValueError, match="expected a size such as"):
        parse_bytes(written)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (8080, Address("0.0.0.0", 8080)),
        ("8080", Address("0.0.0.0", 8080)),
        ("127.0.0.1:1", Address("127.0.0.1", 1)),
        (Address("10.0.0.1", 65535), Address("10.0.0.1", 65535)),
        ("[::]:80", Address("::", 80)),
        ("[2001:DB8:0::1]:80", Address("2001:db8::1", 80)),
    ],
)
def test_addresses_are_read(written: object, address: Address) -> None:
    """A port alone means every interface."""
    assert parse_address(written) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "written",
    [
        "",
        0,
        -1,
        65536,
        True,
        None,
        [8080],
        "localhost:80",
        ":80",
        "1.2.3:80",
        "1.2.3.256:80",
        "1.2.3.4.5:80",
        "::1:80",
        "[1.2.3.4]:80",
        "[::g]:80",
        "[fe80::1%eth0]:80",
        "01.2.3.4:80",
        "1.2.3.4:80\n",
        "٨٠",
    ],
)
def test_other_addresses_are_refused(written: object) -> None:
    """There are no names among them, and IPv6 has brackets."""
    with pytest.raises(ValueError, match="expected"):
        parse_address(written)


def test_all_of_ipv6_is_all_of_ipv4_too() -> None:
    """The engine is told both; this host comes by the first."""
    both = Address("::", 80)
    assert (both.everywhere, both.bindings) == (True, ("0.0.0.0", "::"))
    assert str(both.reachable) == "127.0.0.1:80"
    assert str(Address("::1", 80).reachable) == "[::1]:80"
    assert Address("0.0.0.0", 80).bindings == ("0.0.0.0",)


@pytest.mark.parametrize(
    ("written", "second"), [("49/s", 49), ("7340033/s", 7340033), ("60/m", 1), ("61/m", 2)]
)
def test_a_rate_knows_its_second(written: str, second: int) -> None:
    """Exactly: as a fraction 1 / (1 / 49) is a little more than 49."""
    rate = parse_rate(written)
    assert isinstance(rate, Rate)
    assert rate.per_second == second


def test_colors_are_two() -> None:
    """Each is the other of the other."""
    assert naming.other("blue") == "green"
    assert naming.other("green") == "blue"


def test_names_say_what_they_name() -> None:
    """A container, an upstream, an image, a part; at the longest still a name to DNS."""
    assert naming.replica_name("shop", "web", "blue", 2) == "shop-web-blue-2"
    assert naming.upstream_name("web", "green") == "web_green"
    assert naming.image_tag("shop", "web", "v1") == "shop-web:v1"
    assert naming.part_name("shop", "db") == "shop-db"
    assert len(naming.replica_name("s" * 20, "w" * 32, "green", 50)) <= 63


def test_labels_make_a_container_findable() -> None:
    """By its stack and role, and what else is known of it."""
    assert naming.labels("shop", "service", color="blue") == {
        "io.stackctl.stack": "shop",
        "io.stackctl.role": "service",
        "io.stackctl.color": "blue",
    }


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "0s"),
        (0.02, "20ms"),
        (0.5, "500ms"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (60.0, "60s"),
        (75.0, "75s"),
        (300.0, "5m"),
        (3600.0, "1h"),
        (604_800.0, "7d"),
        (5400.0, "90m"),
        (86400.0, "24h"),
    ],
)
def test_durations_are_written_as_people_do(seconds: float, written: str) -> None:
    """And are read as what they were."""
    assert write_seconds(seconds) == written
    assert parse_seconds(written) == seconds


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0"),
        (1000, "1000"),
        (1024, "1k"),
        (6 * 1024**2, "6m"),
        (1536 * 1024, "1536k"),
        (1024**3, "1g"),
    ],
)
def test_sizes_are_written_as_people_do(count: int, written: str) -> None:
    """And are read as what they were."""
    assert write_bytes(count) == written
    assert parse_bytes(written) == count
