"""The head of a config, whatever addresses it has to keep."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.gateway.addresses import AddressTable, Upstream
from orchestrator.gateway.config import MARK, Config, parse_config, to_head
from orchestrator.stack.model import Color
from tests.properties.budget import examples

NAMES = st.text(alphabet="abc-'\\\"$;{}\u2028é", max_size=8)
ADDRESSES = st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=50)
UPSTREAMS = st.builds(Upstream, st.integers(1, 65535), ADDRESSES.map(tuple))
TABLES = st.builds(
    AddressTable,
    st.dictionaries(
        NAMES, st.dictionaries(st.sampled_from(get_args(Color)), UPSTREAMS), max_size=10
    ),
)


@examples(100)
@given(table=TABLES)
def test_a_config_is_read_back(table: AddressTable) -> None:
    """From its first lines, in pieces that NGINX can read."""
    head = "".join(f"{line}\n" for line in to_head("0a" * 8, table))
    text = f"{head}# Rendered\n{MARK}{{}}"
    assert parse_config(text) == Config("0a" * 8, table, text)
    assert all(len(line) < 4096 for line in head.split("\n"))
    assert head.isascii()
