"""The short forms of compose, as one form each. What is of no known form is Unfit."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.references import split

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d|w)")
_SECONDS = {"us": 1e-6, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgt]?)(?:i?b)?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_HTTP_ALIKE = ("tcp", "")


class Port(NamedTuple):
    """One entry of `ports`: all as it is written, so references may stand in it."""

    host: str
    published: str  # "": the engine chooses
    target: str
    protocol: str

    @property
    def tcp(self) -> bool:
        """Whether HTTP can be spoken there."""
        return self.protocol in _HTTP_ALIKE


class Mount(NamedTuple):
    """One entry of `volumes`."""

    kind: str  # volume, bind, tmpfs, or what compose knows beside them
    source: str  # "": a volume without a name
    target: str
    read_only: bool


def to_text(value: object) -> str:
    """Return a scalar as compose hands it on to a container. Raises Unfit."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise Unfit("expected a text or a number")


def to_list(value: object) -> list[Any]:
    """Return a list; one text is a list of one. Raises Unfit."""
    if isinstance(value, list):
        return value
    if isinstance(value, str | int | float):
        return [value]
    raise Unfit("expected a list")


def to_mapping(value: object) -> dict[str, Any]:
    """Return a mapping with texts as keys. Raises Unfit."""
    if not isinstance(value, dict):
        raise Unfit("expected a mapping of keys to values")
    return {to_text(key): inner for key, inner in value.items()}


def to_pairs(value: object, separators: str = "=") -> dict[str, Any]:
    """Return a mapping of what is one, or a list of `NAME=value`; a name alone has None. Raises Unfit."""
    if isinstance(value, dict):
        return to_mapping(value)
    pairs: dict[str, Any] = {}
    for entry in to_list(value):
        text = to_text(entry)
        at = next((text.index(each) for each in separators if each in text), None)
        pairs[text if at is None else text[:at]] = None if at is None else text[at + 1 :]
    return pairs


def to_names(value: object) -> dict[str, dict[str, Any]]:
    """Return the names of `depends_on` and `networks`, each with its settings. Raises Unfit."""
    if isinstance(value, dict):
        return {name: {} if inner is None else inner for name, inner in to_mapping(value).items()}
    return {to_text(entry): {} for entry in to_list(value)}


def to_port(entry: object) -> Port:
    """Return one entry of `ports`. Raises Unfit."""
    if isinstance(entry, dict):
        written = to_mapping(entry)
        texts = (to_text(written.get(key)) for key in ("host_ip", "published", "target"))
        host, published, target = texts
        protocol = to_text(written.get("protocol"))
    else:
        text, *protocols = split(to_text(entry), "/")
        protocol = protocols[0] if protocols else ""
        *before, target = split(text, ":")
        published = before.pop() if before else ""
        host = ":".join(before)
    if not target:
        raise Unfit("expected a port of the container")
    return Port(host.strip("[]"), published, target, protocol)


def to_mount(entry: object) -> Mount:
    """Return one entry of `volumes`. Raises Unfit."""
    if isinstance(entry, dict):
        written = to_mapping(entry)
        kind = to_text(written.get("type")) or "volume"
        source, target = (to_text(written.get(key)) for key in ("source", "target"))
        return Mount(kind, source, target, written.get("read_only") is True)
    source, target, *modes = [*split(to_text(entry), ":"), ""]
    if not target:
        return Mount("volume", "", source, read_only=False)
    kind = "bind" if source.startswith((".", "/", "~")) else "volume"
    return Mount(kind, source, target, "ro" in modes[0].split(","))


def to_seconds(text: str) -> float:
    """Return what a duration such as `1m30s` lasts. Raises Unfit."""
    parts = _DURATION.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        raise Unfit("expected a duration such as `1m30s`")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def to_duration(seconds: float) -> str:
    """Return seconds as stack.yaml writes them."""
    return f"{seconds:g}s" if seconds >= 1 else f"{max(1, round(seconds * 1000))}ms"


def to_size(text: str) -> str:
    """Return a size such as `1.5gb` as stack.yaml writes it. Raises Unfit."""
    found = _BYTES.fullmatch(text.strip())
    if not found:
        raise Unfit("expected a size such as `512m`")
    size = int(float(found[1]) * _FACTORS[found[2].lower()])
    for unit in ("g", "m", "k"):
        if size and size % _FACTORS[unit] == 0:
            return f"{size // _FACTORS[unit]}{unit}"
    return str(size)
