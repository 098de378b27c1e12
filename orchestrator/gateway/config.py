"""A config of NGINX as a value: its text, and what that text says of itself in its first lines.

It depends on stack.yaml, on the address table and on which certificates there are, so its id is a hash
of its text: the same wish has the same id, and a release whose config serves already changes none.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from orchestrator.certificates.table import (
    NO_CERTIFICATES,
    CertificateTable,
    parse_certificates,
)
from orchestrator.gateway.addresses import AddressTable, parse_table
from orchestrator.gateway.lane import Lane, read_lane, to_word
from orchestrator.gateway.supplies import NO_SUPPLIES, Supplies, parse_supplies

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "# stackctl "
_HEAD = re.compile(rf"(?:{MARK}.*\n?)*")
INNER = "What containers of this stack call"  # begins what is not for users
LAYOUT = 2  # of the gateway's volume: configs/, moves/, shares/ and live/
LONGEST_PIECE = 3000  # NGINX reads no comment and no word of 4 KiB or more
IDENTITY = r"[0-9a-f]{16}"  # a folder of that name is removed as a whole: never empty
FOLDER = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,240}"
LOCATION = re.compile(r"\s*location (?:= )?(?:\^~ )?(/\S*|@\S+|~ .*) \{")
EARLIER_STEPS = ("boot", "stage", "promote", "retire", "converge", "recover")  # of layout 1


@dataclass(frozen=True)
class Config:
    """The text of nginx.conf, and what it relies on."""

    id: str
    table: AddressTable
    text: str
    certificates: CertificateTable = NO_CERTIFICATES
    supplies: Supplies = NO_SUPPLIES
    beside: Mapping[str, str] = field(default_factory=dict)  # files that it includes, by name

    def routes(self, service: str) -> frozenset[str]:
        """Return the paths that lead users to a service."""
        path, found = "", set()
        for line in self.text.partition(f"# {INNER}")[0].splitlines():
            if match := LOCATION.fullmatch(line):
                path = match[1]
            elif line.strip() == f"set $stackctl_unreleased {service};" and path:
                found.add(path)
        return frozenset(found)

    def protocol(self, service: str) -> str:
        """Return what a service is reached by, in the words of stack.yaml; empty where it is not listed."""
        way = rf"\n        location = /preview/{service}/blue/.*?\n        }}\n"
        found = re.search(way, self.text, re.DOTALL)
        if found is None:
            return ""
        prior = "h2c" if "proxy_http_version 2;" in found[0] else "http"
        return "grpc" if "grpc_pass" in found[0] else prior


@dataclass(frozen=True)
class Earlier:
    """What a config of layout 1 says: the colors stood in the config itself."""

    folder: str  # where it lies in the gateway's volume
    lanes: Mapping[str, Lane]


@dataclass(frozen=True)
class Newer:
    """A config that a newer stackctl has written: what it says is not for us to guess."""

    layout: int


def to_head(
    identity: str,
    table: AddressTable,
    certificates: CertificateTable = NO_CERTIFICATES,
    supplies: Supplies = NO_SUPPLIES,
) -> list[str]:
    """Return the first lines of a config."""
    said = {"layout": LAYOUT, "config": identity, "addresses": table.facts()}
    if certificates:
        said["certificates"] = certificates.facts()
    if certificates.account:
        said["account"] = certificates.account
    if supplies.ids:
        said["supplies"] = dict(supplies.ids)
    return write_head(said)


def write_head(said: Mapping[str, object]) -> list[str]:
    """Return what a config says of itself as its first lines."""
    line = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return [MARK + line[at : at + LONGEST_PIECE] for at in range(0, len(line), LONGEST_PIECE)]


def identify(text: str) -> str:
    """Return the id of a config whose text was rendered without one."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_config(text: str) -> Config | Earlier | Newer | None:
    """Read a config back; None where it is not one of ours.

    What it says goes into the next config, so it is held to what we could have written.
    """
    try:
        raw = read_head(text)
        layout = raw.get("layout", 1)
        if type(layout) is not int:
            return None
        if layout > LAYOUT:
            return Newer(layout)
        if layout == LAYOUT:
            table = parse_table(raw["addresses"])
            certificates = parse_certificates(raw.get("certificates", []), raw.get("account", ""))
            supplies = parse_supplies(raw.get("supplies", {}))
            identity = to_word(raw["config"], IDENTITY)
            return Config(identity, table, text, certificates, supplies)
        return Earlier(to_word(f"{raw['release']}.{raw['step']}", FOLDER), _read_earlier(raw))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def read_head(text: str) -> Any:
    """Return what the first lines of a config say. Raises ValueError."""
    head = _HEAD.match(text)  # few of a thousand lines
    lines = head[0].splitlines() if head else ()
    marked = takewhile(lambda line: line.startswith(MARK), lines)
    return json.loads("".join(line.removeprefix(MARK) for line in marked))


def _read_earlier(raw: Mapping[str, Any]) -> dict[str, Lane]:
    """Read the lanes of layout 1, which had one step for all services."""
    step = raw["step"]
    if step not in EARLIER_STEPS:
        raise ValueError(step)
    beside = "outgoing" if step == "promote" else "candidate"
    empty = {"candidate": None, "outgoing": None, "share": 0, "config": ""}

    def read(lane: Mapping[str, Any]) -> Lane:
        said = {"active": lane["active"], "kept": lane.get("previous"), beside: lane["preview"]}
        return read_lane(empty | said)

    return {str(name): read(lane) for name, lane in raw["lanes"].items() if lane["active"]}
