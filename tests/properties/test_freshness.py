"""Which `Cache-Control` of a request asks for a fresh answer: whole words of RFC 9111, nothing like them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.gateway.render import FRESH
from tests.properties.budget import examples

ASKING = ["no-cache", "no-store", "max-age=0", "max-age=00", 'max-age="0"', "No-Cache", "MAX-AGE=0"]
OTHERS = [
    *(
        "max-age=31",
        "max-age=09",
        "max-age=10",
        "max-stale=11",
        "max-age",
        "min-fresh=0",
        "no-cachet",
    ),
    *(
        "x-no-store",
        "no-cache=0",
        'x="no-cache"',
        'x="a, no-cache, b"',
        'x="\\\\\\", no-store, "',
        "0",
    ),
    *("only-if-cached", "x=no-store", "max-age=0x", "smax-age=0", "'no-cache'", "~^no-cache", ""),
]
SPACES = st.sampled_from(["", " ", "\t", "  "])
ITEMS = st.tuples(SPACES, st.sampled_from([*ASKING, *OTHERS]), SPACES)


def asks(header: str) -> bool:
    """Whether NGINX finds that the header asks for a fresh answer; it looks without regard to case."""
    return re.search(FRESH, header, re.IGNORECASE) is not None


@examples(300)
@given(items=st.lists(ITEMS, max_size=6))
def test_a_list_asks_if_one_of_its_words_does(items: list[tuple[str, str, str]]) -> None:
    """Wherever it stands, and with whatever spaces around it."""
    header = ",".join("".join(item) for item in items)
    assert asks(header) == any(word in ASKING for _, word, _ in items), header


@pytest.mark.parametrize(
    "word", ["no-cache no-store", "max-age= 0", "max-age =0", 'x="no-cache', "\\"]
)
def test_what_is_no_list_of_directives_asks_for_nothing(word: str) -> None:
    """Nobody is to find another meaning in it."""
    assert not asks(word)


@pytest.mark.parametrize(
    "part", [" ", ",", " ,", "a,", "a=b,", "max-age=1,", 'a="', 'a="b",', "\\"]
)
def test_a_long_header_is_read_to_its_end(part: str) -> None:
    """A line of a head may have 8 KiB, and a worker has others to see to."""
    many = (part * 8192)[:8100]
    assert not asks(many + "!!")
    assert asks("no-cache," + many)
    assert asks("," * 8100 + "no-cache")
