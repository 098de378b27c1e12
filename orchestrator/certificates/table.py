"""Which certificates the gateway serves: what stack.yaml does not say of a config.

The table stands in the config that serves, beside the addresses, so no release changes it. It has no key:
the pairs lie in the gateway's volume, under the names that the table has for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.certificates.account import PRINT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
DNS_NAME = re.compile(rf"(?:\*\.)?{LABEL}(?:\.{LABEL})*")
IDENTITY = re.compile(r"[0-9a-f]{32}-[0-9a-f]{8}")
DIRECTORY = re.compile(r"https?://[!-~]{1,500}")
KINDS = ("rsa", "ec", "ed25519")
SHARE_LEFT = 3  # a certificate is due once less than one part of so many of its lifetime is left
ASKED = "`stackctl certs renew` asks for the next one"
LATEST = 253402300799  # the last second that a date can hold


@dataclass(frozen=True)
class Certificate:
    """What is known of a certificate without its key."""

    id: str  # begins with the SHA-256 of the certificate itself, ends with that of its chain
    kind: str  # of its key
    names: tuple[str, ...]  # in lower case
    begins: int  # Unix time
    ends: int
    issuer: str
    directory: str = (
        ""  # of the authority that was asked for it; empty for a file of somebody's own
    )

    def covers(self, host: str) -> bool:
        """Whether a client that asks for a host takes it; a `*` stands for one whole label, the first."""
        wanted = host.lower().rstrip(".")
        _, dot, parent = wanted.partition(".")
        return wanted in self.names or (bool(dot) and f"*.{parent}" in self.names)

    def days_left(self, now: datetime) -> int:
        """Return the whole days until it ends; below 0 once it has."""
        return int((self.ends - now.timestamp()) // 86400)

    def is_over(self, now: datetime) -> bool:
        """Whether clients do not take it any more."""
        return now.timestamp() >= self.ends

    def is_due(self, now: datetime) -> bool:
        """Whether less than a third of its lifetime is left."""
        return (self.ends - now.timestamp()) * SHARE_LEFT < self.ends - self.begins

    def is_issued(self, host: str, directory: str) -> bool:
        """Whether it is what an authority has issued for a host."""
        return self.directory == directory and self.names == (host,)

    @property
    def end(self) -> str:
        """Return the day on which it ends."""
        return f"{datetime.fromtimestamp(self.ends, UTC):%Y-%m-%d}"

    @property
    def title(self) -> str:
        """Return its names in short."""
        first, *more = self.names
        return f"`{first}` and {len(more)} more" if more else f"`{first}`"

    def facts(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "id": self.id,
            "kind": self.kind,
            "names": list(self.names),
            "begins": self.begins,
            "ends": self.ends,
            "issuer": self.issuer,
            **({"directory": self.directory} if self.directory else {}),
        }


@dataclass(frozen=True)
class CertificateTable:
    """The certificates that are served. Of two of one kind that fit a host, the first one is."""

    certificates: tuple[Certificate, ...] = ()
    account: str = (
        ""  # the print of the key by which an authority knows us; empty where none is asked
    )

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.certificates)

    def of(self, host: str | None) -> tuple[Certificate, ...]:
        """Return what a host is served with, one of each kind; a host of None takes any name.

        One that names the host itself goes before one that names it by a `*`.
        """
        fitting = [one for one in self.certificates if host is None or one.covers(host)]
        if host is not None:
            fitting.sort(key=lambda one: host not in one.names)
        found: dict[str, Certificate] = {}
        for one in fitting:
            found.setdefault(one.kind, one)
        return tuple(found.values())

    def has(self, identity: str) -> bool:
        """Whether a certificate is in it."""
        return any(one.id == identity for one in self.certificates)

    def facts(self) -> list[dict[str, object]]:
        """Return the table as JSON values."""
        return [one.facts() for one in self.certificates]


NO_CERTIFICATES = CertificateTable()


def keep_issued(
    own: CertificateTable, served: CertificateTable, hosts: Collection[str], directory: str
) -> CertificateTable:
    """Return own certificates, and what is served for hosts that an authority is asked for.

    One that this authority has issued goes before all others; without it, what is served stays.
    """
    kept = dict.fromkeys(own.certificates)
    for host in hosts:
        found = [one for one in served.certificates if one.covers(host) and not own.has(one.id)]
        issued = [one for one in found if one.is_issued(host, directory)]
        kept |= dict.fromkeys(issued[:1] or served.of(host))
    return CertificateTable(tuple(kept), served.account)


def find_due(
    table: CertificateTable, hosts: Iterable[str], directory: str, now: datetime
) -> list[str]:
    """Return the hosts for which an authority is to be asked: it has issued nothing, or that ends."""
    issued = {
        host: one for host in hosts for one in table.certificates if one.is_issued(host, directory)
    }
    return [host for host in hosts if host not in issued or issued[host].is_due(now)]


def find_uncovered(table: CertificateTable, hosts: Collection[str]) -> list[str]:
    """Return the hosts that no certificate names: they are served without TLS."""
    return [host for host in hosts if not table.of(host)]


def warn_of_ends(table: CertificateTable, now: datetime, mend: str) -> list[str]:
    """Return warnings of certificates that are over, or that end soon; `mend` says what to do of files."""
    told = []
    for one in table.certificates:
        done = ASKED if one.directory else mend
        if one.is_over(now):
            told.append(f"the certificate of {one.title} ended on {one.end}: {done}")
        elif one.is_due(now):
            days = one.days_left(now)
            left = "less than a day" if days < 1 else f"{days} day{'' if days == 1 else 's'}"
            told.append(f"the certificate of {one.title} ends on {one.end}, in {left}: {done}")
    return told


def parse_certificates(raw: Sequence[Mapping[str, Any]], account: str = "") -> CertificateTable:
    """Read a table from JSON values. Raises ValueError, KeyError, TypeError, AttributeError."""
    if not isinstance(raw, list):
        raise TypeError(raw)
    if account and not PRINT.fullmatch(account):
        raise ValueError(account)
    return CertificateTable(tuple(map(_parse, raw)), account)


def _parse(raw: Mapping[str, Any]) -> Certificate:
    begins, ends, issuer = raw["begins"], raw["ends"], raw["issuer"]
    if not IDENTITY.fullmatch(raw["id"]) or raw["kind"] not in KINDS or not isinstance(issuer, str):
        raise ValueError(raw)
    if not all(type(time) is int and 0 <= time <= LATEST for time in (begins, ends)):
        raise ValueError(raw)
    names = tuple(raw["names"])
    if not names or names != pick_names(names):
        raise ValueError(names)
    directory = raw.get("directory", "")
    if directory and not DIRECTORY.fullmatch(directory):
        raise ValueError(directory)
    return Certificate(raw["id"], raw["kind"], names, begins, ends, show_issuer(issuer), directory)


def pick_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a client can ask for, in lower case and without doubles."""
    return tuple(dict.fromkeys(name for name in map(str.lower, names) if DNS_NAME.fullmatch(name)))


def show_issuer(text: str) -> str:
    """Return an issuer's name in letters that harm no config."""
    return re.sub(r"[^A-Za-z0-9 .,'()_-]", "?", text)[:64]
