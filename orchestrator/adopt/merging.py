"""What comes of several compose files, and of `extends`: compose's own rules."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from orchestrator.adopt.compose_file import Override, Reset
from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.short_forms import to_list, to_mount, to_names, to_pairs, to_port, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

REPLACED = frozenset({"command", "entrypoint", "test"})
PAIRS = frozenset({"environment", "labels", "args", "sysctls", "annotations"})
HOSTS = frozenset({"extra_hosts"})
NAMES = frozenset({"depends_on", "networks"})
PARTS = frozenset({"services", "volumes", "networks", "secrets", "configs"})  # of a whole file


def merge_files(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return two files as one; the later one wins."""
    merged = dict(base)
    for key, value in over.items():
        if key in PARTS and isinstance(value, dict):
            parts = merged.get(key) if isinstance(merged.get(key), dict) else {}
            merged[key] = _merge_parts(parts or {}, value, services=key == "services")
        else:
            merged[key] = _merge_values(key, merged.get(key), value)
    return {key: value for key, value in merged.items() if not isinstance(value, Reset)}


def _merge_parts(
    base: Mapping[str, Any], over: Mapping[str, Any], *, services: bool
) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        before = merged.get(name)
        if services and isinstance(before, dict) and isinstance(value, dict):
            merged[name] = merge_services(before, value)
        else:
            merged[name] = _merge_values("", before, value)
    return {key: value for key, value in merged.items() if not isinstance(value, Reset)}


def merge_services(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service with what is set later, in another file or by who extends it."""
    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merge_values(key, merged.get(key), value)
    return {key: strip_tags(value) for key, value in merged.items() if not isinstance(value, Reset)}


def strip_tags(value: Any) -> Any:
    """Return a value without compose's tags: there is nothing more that they could act upon."""
    if isinstance(value, Override):
        return strip_tags(value.value)
    if isinstance(value, dict):
        return {
            key: strip_tags(inner) for key, inner in value.items() if not isinstance(inner, Reset)
        }
    if isinstance(value, list):
        return [strip_tags(inner) for inner in value if not isinstance(inner, Reset)]
    return None if isinstance(value, Reset) else value


def _merge_values(key: str, base: Any, over: Any) -> Any:
    if base is None or isinstance(over, Reset | Override) or key in REPLACED:
        return over.value if isinstance(over, Override) else over
    if over is None:
        return base
    with suppress(Unfit):  # what has no known form is replaced, and found fault with later
        return _merge_known(key, base, over)
    return over


def _merge_known(key: str, base: Any, over: Any) -> Any:
    if key in PAIRS or key in HOSTS:
        separators = ":=" if key in HOSTS else "="
        return to_pairs(base, separators) | to_pairs(over, separators)
    if key in NAMES:
        return to_names(base) | to_names(over)
    if key in TARGETS:
        find = TARGETS[key]
        return [*{find(entry): entry for entry in [*to_list(base), *to_list(over)]}.values()]
    if key == "build":
        base, over = ({"context": each} if isinstance(each, str) else each for each in (base, over))
    if isinstance(base, dict) and isinstance(over, dict):
        merged = {**base}
        for inner, value in over.items():
            merged[inner] = _merge_values(str(inner), merged.get(inner), value)
        return merged
    if isinstance(base, list) or isinstance(over, list):
        return [*to_list(base), *(entry for entry in to_list(over) if entry not in to_list(base))]
    return over


def _find_port(entry: object) -> Hashable:
    return to_port(entry)


def _find_mount(entry: object) -> Hashable:
    return to_mount(entry).target


def _find_file(entry: object) -> Hashable:
    if isinstance(entry, dict):
        return to_text(entry.get("target") or entry.get("source"))
    return to_text(entry)


TARGETS: dict[str, Callable[[object], Hashable]] = {
    "ports": _find_port,
    "volumes": _find_mount,
    "secrets": _find_file,
    "configs": _find_file,
}
