"""Which stackctl this is."""

from __future__ import annotations

from functools import cache

UNKNOWN = "0.0"  # as in pyproject.toml: where git tells nothing of the sources


@cache
def find_edition() -> str:
    """Return the version that was installed: of an editable one, as it was at that time."""
    from importlib.metadata import PackageNotFoundError, version  # late: it takes a while

    try:
        return version("stackctl")
    except PackageNotFoundError:  # a checkout that is run as it is
        return UNKNOWN
