"""An entry of `secrets`: `NAME`, `NAME:VARIABLE`, and with a `?` behind it where it may be unset."""

from __future__ import annotations

from typing import NamedTuple


class Wanted(NamedTuple):
    """A value that a container gets from a variable."""

    name: str  # by which the container knows it
    variable: str
    optional: bool


def parse_secret(entry: str) -> Wanted:
    """Read an entry that has the form of one."""
    told = entry.removesuffix("?")
    return Wanted(told.partition(":")[0], told.rpartition(":")[2], told != entry)
