"""What a gateway that is gone has left in its volume."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import NotFound
from orchestrator.gateway.config import Config, Earlier, parse_config
from orchestrator.gateway.files import CURRENT
from orchestrator.gateway.keyring import Keyring
from orchestrator.release.observe import to_table

if TYPE_CHECKING:
    from orchestrator.certificates.table import CertificateTable
    from orchestrator.gateway.addresses import AddressTable
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot


def only_whole(house: House, container: str, left: CertificateTable) -> CertificateTable:
    """Return those of the certificates in a volume whose files are there."""
    keyring = Keyring(house.engine, container)
    there = (one for one in left.certificates if keyring.read_chain(one.id) is not None)
    return replace(left, certificates=tuple(there))


def read_left(house: House, container: str) -> Config | Earlier | None:
    """Return the config that a gateway which is gone has left in its volume."""
    try:
        found = parse_config(house.engine.read(container, CURRENT))
    except NotFound:
        return None
    return found if isinstance(found, Config | Earlier) else None


def fit_left(snapshot: Snapshot, left: Config | Earlier | None) -> AddressTable:
    """Return the addresses that are given out: by the volume, or else by the containers' labels."""
    return left.table if isinstance(left, Config) else to_table(snapshot.replicas)
