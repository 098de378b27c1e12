"""Faults between what a container has at its paths, where the host has its ports, and what it calls others.

As those of `relations.py` they are looked for in the raw document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stack.document import Fault
from orchestrator.stack.filled import quote
from orchestrator.stack.part import is_below
from orchestrator.stack.quantities import Address, parse_address, parse_publication
from orchestrator.stack.tls import TLS_LISTEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCRATCH = "/tmp"  # noqa: S108  in memory, in a container that is `read_only`
NO_NETWORKS = ("host", "none")


def find_place_faults(
    document: Mapping[str, Any], group: str, parts: Mapping[str, dict[str, Any]]
) -> Iterator[Fault]:
    """Yield what does not fit together in single parts."""
    for name, part in parts.items():
        place = f"{group}.{quote(name)}"
        yield from _mount_faults(place, part)
        yield from _file_faults(place, part)
        yield from _network_faults(place, part, str(document.get("name")))


def find_publication_faults(
    document: Mapping[str, Any], accessories: Mapping[str, dict[str, Any]]
) -> Iterator[Fault]:
    """Yield ports on the host that two want, and those to which no way would lead."""
    taken = dict(_list_doors(document.get("gateway")))
    for name, accessory in accessories.items():
        for position, entry in _list(accessory, "publish"):
            place = f"accessories.{quote(name)}.publish.{position}"
            if document.get("internal") is True:
                yield Fault(place, "`internal: true` gives the stack's network no way in")
            try:
                published: Any = parse_publication(entry)
            except ValueError:
                continue  # reported with its path by the model
            port = published.address.port
            if port in taken:
                yield Fault(place, f"expected another port on the host than `{taken[port]}` has")
            taken.setdefault(port, place)


def _list_doors(gateway: object) -> Iterator[tuple[int, str]]:
    told = gateway if isinstance(gateway, dict) else {}
    doors = {
        "listen": told.get("listen", "8080"),
        "admin": told.get("admin", "127.0.0.1:8081"),
    }
    if isinstance(tls := told.get("tls"), dict):
        doors["tls.listen"] = tls.get("listen", TLS_LISTEN)
    for key, wanted in doors.items():
        try:
            address = parse_address(wanted)
        except ValueError:
            continue
        if isinstance(address, Address):
            yield address.port, f"gateway.{key}"


def _mount_faults(place: str, part: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield paths that two things want."""
    for key, found in (("mount", [*_list_folders(part)]), ("file", [*_list_files(part)])):
        seen: dict[str, str] = {}
        for what, path in found:
            if path in seen:
                end = ".to" if key == "file" else ""
                yield Fault(
                    f"{place}.{what}{end}", f"has the path of `{seen[path]}`, expected another"
                )
            seen.setdefault(path, what)


def _file_faults(place: str, part: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield files that nobody would see, or that others would, and those that cannot be written."""
    folders = {path: what for what, path in _list_folders(part)}
    if part.get("read_only") is True:
        folders.setdefault(SCRATCH, "read_only")
    for what, path in _list_files(part):
        told = f"{place}.{what}.to"
        for folder, other in folders.items():
            if is_below(path, folder):
                yield Fault(told, f"lies in `{other}`, {_tell_why(other)}")


def _list_folders(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("volumes", "tmpfs"):
        for position, entry in _list(part, key):
            yield f"{key}.{position}", _find_path(key, entry)


def _list_files(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for position, file in _list(part, "files"):
        path = file.get("to") if isinstance(file, dict) else None
        if isinstance(path, str):
            yield f"files.{position}", path


def _tell_why(what: str) -> str:
    if what.startswith("volumes"):
        return "which others share, and which keeps what it has"
    return "which is memory, and empty at each start"


def _find_path(key: str, entry: object) -> str:
    parts = str(entry).split(":")
    path = parts[1] if key == "volumes" and len(parts) > 1 else parts[0]
    return path.rstrip("/") or "/"


def _network_faults(place: str, part: Mapping[str, Any], stack: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for position, name in _list(part, "networks"):
        if not isinstance(name, str):
            continue  # reported by the model
        told = f"{place}.networks.{position}"
        if name in NO_NETWORKS:
            yield Fault(told, f"`{name}` is no network that a container joins beside another")
        if name in (f"{stack}-net", f"{stack}-edge"):
            yield Fault(told, "is the stack's own, expected one that others have made")
        if name in seen:
            yield Fault(told, "is listed twice")
        seen.add(name)


def _list(part: Mapping[str, Any], key: str) -> Iterator[tuple[int, Any]]:
    found = part.get(key)
    return enumerate(found if isinstance(found, list) else ())
