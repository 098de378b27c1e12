"""Names of hosts: which requests belong to a route by the `Host` that they have, and from where they are
led there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, StrictStr

from orchestrator.stack.fields import STRICT, refuse_dot_segments
from orchestrator.stack.forms import FORMS, HOST_PATTERN, REDIRECTED, URL_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERYTHING_BELOW = "*."  # how a wildcard begins


def check_host(value: object) -> object:
    """Leave a host's name as it is. Raises ValueError, with what it should have been where that is clear."""
    if not isinstance(value, str) or re.fullmatch(HOST_PATTERN, value):
        return value
    if "*" in value.removeprefix(EVERYTHING_BELOW):
        msg = "expected one `*` at most, as the whole first part: `*.shop.example`"
        raise ValueError(msg)
    if re.search(r":[0-9]*$", value) or "://" in value:
        msg = "expected a host's name alone: neither `http://` nor a port"
        raise ValueError(msg)
    meant = _write_plainly(value)
    raise ValueError(f"expected `{meant}`" if meant else f"expected {FORMS[HOST_PATTERN]}")


def _write_plainly(name: str) -> str:
    """Return a name in lower case and in ASCII; empty where there is no such name."""
    star = EVERYTHING_BELOW if name.startswith(EVERYTHING_BELOW) else ""
    try:
        plain = name.removeprefix(star).rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        return ""
    return star + plain if re.fullmatch(HOST_PATTERN, plain) else ""


def _one_to_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Named = Annotated[StrictStr, Field(pattern=HOST_PATTERN, max_length=253)]
Host = Annotated[_Named, BeforeValidator(check_host, json_schema_input_type=_Named)]
Hosts = Annotated[
    tuple[Host, ...],
    BeforeValidator(_one_to_list, json_schema_input_type=_Named | tuple[_Named, ...]),
]


def covers(pattern: str, host: str) -> bool:
    """Whether a name is that of a pattern, or below its star; it may be a pattern itself."""
    below = pattern.startswith(EVERYTHING_BELOW) and host.endswith(pattern[1:])
    return pattern == host or below


def is_address(host: str) -> bool:
    """Whether a host is an address, and no name: a client that comes by TLS does not say it."""
    return re.fullmatch(r"[0-9.]+", host) is not None


def find_closeness(patterns: Sequence[str], host: str | None) -> int | None:
    """Return how closely patterns name a host: an exact one before the longest star; None where none does.

    Where there are no patterns, every host is named; None as `host` is one that nobody names.
    """
    if not patterns:
        return 0
    found = [pattern for pattern in patterns if host is not None and covers(pattern, host)]
    return max((_weigh(pattern) for pattern in found), default=None)


def _weigh(pattern: str) -> int:
    return len(pattern) if pattern.startswith(EVERYTHING_BELOW) else 1000


def find_exact(patterns: Sequence[str]) -> str | None:
    """Return the first name without a star."""
    return next((one for one in patterns if not one.startswith(EVERYTHING_BELOW)), None)


def _check_redirected(value: object) -> object:
    """Check the parts of `host`, `host/path` or `/path`."""
    if isinstance(value, str):
        host, slash, path = value.partition("/")
        if host:
            check_host(host)
        if slash and not re.fullmatch(URL_PATH, f"/{path}"):
            raise ValueError(f"expected {FORMS[REDIRECTED]}")
        refuse_dot_segments(path)
    return value


_Moved = Annotated[StrictStr, Field(pattern=REDIRECTED, max_length=453)]


class Redirect(BaseModel):
    """Where requests come from that belong to a route now."""

    model_config = STRICT

    old: Annotated[_Moved, BeforeValidator(_check_redirected, json_schema_input_type=_Moved)] = (
        Field(alias="from")
    )
    status: Literal[301, 308] = 308

    @property
    def host(self) -> str:
        """Return the old name; empty where it is that of the route."""
        return self.old.partition("/")[0]

    @property
    def path(self) -> str:
        """Return the old path; empty where a whole host has moved."""
        _, slash, path = self.old.partition("/")
        return slash + path


def _entry_to_redirect(value: object) -> object:
    return {"from": value} if isinstance(value, str) else value


Redirects = tuple[
    Annotated[
        Redirect, BeforeValidator(_entry_to_redirect, json_schema_input_type=_Moved | Redirect)
    ],
    ...,
]
