"""What a config of the gateway needs beside itself: lists of users, and pages. Pure.

A config names them by ids, which stand in its first lines; so no release changes them, and only `up` takes
other ones in. What lies in the volume under an id never changes.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.stack.guests import list_basic_auth
from orchestrator.stack.page_files import list_error_pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.stack.access import BasicAuth
    from orchestrator.stack.model import Stack

KEY, IDENTITY = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9a-f]{32}")
UNKNOWN = "unknown"  # no file has this name: NGINX lets nobody in then


@dataclass(frozen=True)
class Supplies:
    """The ids of files in the gateway's volume, each by what stack.yaml says of it."""

    ids: Mapping[str, str] = field(default_factory=dict)

    def has_users(self, wanted: BasicAuth) -> bool:
        """Whether there is a list of users."""
        return name_users(wanted) in self.ids

    def users(self, wanted: BasicAuth) -> str:
        """Return the id of a list of users; without one, a name that no file has."""
        return self.ids.get(name_users(wanted), UNKNOWN)

    def page(self, file: str) -> str:
        """Return the id of a page; empty where `up` has not taken it in."""
        return self.ids.get(name_page(file), "")

    def only(self, stack: Stack) -> Supplies:
        """Return those that a stack wants."""
        return Supplies({key: self.ids[key] for key in list_keys(stack) if key in self.ids})


NO_SUPPLIES = Supplies()


def list_keys(stack: Stack) -> Iterator[str]:
    """Yield the key of each file that a stack wants."""
    yield from (name_users(auth) for _, auth in list_basic_auth(stack))
    yield from (name_page(file) for _, pages in list_error_pages(stack) for file in pages.values())


def name_users(wanted: BasicAuth) -> str:
    """Return the key of a list of users: it says nothing of their passwords."""
    return _shorten("users", sorted(wanted.users.items()))


def name_page(file: str) -> str:
    """Return the key of a page. A path may hold the value of a variable."""
    return _shorten("page", file)


def _shorten(kind: str, said: object) -> str:
    return hashlib.sha256(json.dumps([kind, said]).encode()).hexdigest()[:16]


def identify(content: bytes) -> str:
    """Return the id of a file. The hashes of passwords in it have salts that nobody can guess."""
    return hashlib.sha256(content).hexdigest()[:32]


def parse_supplies(raw: Mapping[str, Any]) -> Supplies:
    """Read them from JSON values. Raises ValueError, TypeError, AttributeError."""
    ids = dict(raw.items())
    for key, identity in ids.items():
        if not KEY.fullmatch(key) or not IDENTITY.fullmatch(identity):
            raise ValueError(raw)
    return Supplies(ids)
