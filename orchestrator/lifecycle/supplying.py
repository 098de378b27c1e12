"""The lists of users and the pages that `up` takes in: gathered and checked before anything is touched,
then brought to the gateway's volume with the config that names them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.gateway.files import page_file, users_file
from orchestrator.gateway.passwords import find_changed, write_users
from orchestrator.gateway.store import Store
from orchestrator.gateway.supplies import (
    NO_SUPPLIES,
    Supplies,
    identify,
    list_keys,
    name_page,
    name_users,
)
from orchestrator.release.observe import observe
from orchestrator.stack.guests import list_basic_auth
from orchestrator.stack.page_files import list_error_pages, read_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.stack.access import BasicAuth

SET = "set it in the environment or in `.env` beside stack.yaml"


@dataclass
class Supply:
    """What a gateway is to have beside its config, and what of it is new to people."""

    ids: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict, repr=False)  # by their paths
    changes: list[str] = field(default_factory=list)  # no value of a password is in them

    @property
    def supplies(self) -> Supplies:
        """Return it as a config names it."""
        return Supplies(self.ids) if self.ids else NO_SUPPLIES


def gather_supply(house: House, snapshot: Snapshot | None = None) -> Supply:
    """Return what stack.yaml wants. A list of users whose passwords are as before stays the file it is.

    Without a `snapshot` the stack is looked at, but only where there is anything to take in. Raises ConfigurationError where a password is not set or cannot be one, or a page cannot be read.
    """
    found = Supply()
    if not any(list_keys(house.stack)):
        return found
    snapshot = snapshot or observe(house)
    for place, wanted in list_basic_auth(house.stack):
        passwords = _read_passwords(wanted, house.secrets, place)
        if name_users(wanted) not in found.ids:
            _take_users(house, snapshot, found, place, wanted, passwords)
    for place, pages in list_error_pages(house.stack):
        for status, file in pages.items():
            _take_page(house, snapshot, found, f"{place}.{status}", file)
    return found


def _take_users(
    house: House,
    snapshot: Snapshot,
    found: Supply,
    place: str,
    wanted: BasicAuth,
    passwords: Mapping[str, str],
) -> None:
    key, served = name_users(wanted), snapshot.supplies
    known = ""
    if served.has_users(wanted) and snapshot.gateway is not None:
        known = Store(house.engine, snapshot.gateway.id).read(users_file(served.users(wanted)))
    changed = find_changed(known, passwords)
    content = write_users(passwords) if changed else known.encode()
    if changed:
        names = ", ".join(f"`{name}`" for name in changed)
        found.changes.append(f"{place}: {names} {'with another' if known else 'with a'} password")
    found.ids[key] = identify(content)
    found.files[users_file(found.ids[key])] = content


def _take_page(house: House, snapshot: Snapshot, found: Supply, place: str, file: str) -> None:
    try:
        content = read_page(house.folder / file)
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{place} cannot be read any more") from error
    identity = identify(content)
    before = snapshot.supplies.page(file)
    if before != identity and name_page(file) not in found.ids:
        found.changes.append(f"{place}: {'another' if before else 'a new'} page")
    found.ids[name_page(file)] = identity
    found.files[page_file(identity)] = content


def _read_passwords(wanted: BasicAuth, variables: Mapping[str, str], place: str) -> dict[str, str]:
    """Return the passwords of users. Raises ConfigurationError, in which no value is."""
    found = {}
    for user, name in wanted.users.items():
        told = f"{place}.users.{user}: the password `{name}`"
        if name not in variables:
            raise ConfigurationError(f"{told} is not set", SET)
        found[user] = word = variables[name]
        if not word:
            raise ConfigurationError(f"{told} is empty: whoever knows the name would come in", SET)
        if not word.isprintable():
            raise ConfigurationError(
                f"{told} has a line break or another control character, which no client can send",
                "`openssl rand -base64 18` makes a good one",
            )
    return found
