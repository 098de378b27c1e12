"""Paths of a compose file in another folder, told from the folder of the project."""

from __future__ import annotations

import os
from typing import Any

REMOTE = ("://", "git@", "github.com")


def join(prefix: str, path: str) -> str:
    """Return a path that was relative to `prefix`."""
    if path.startswith(("/", "~", "$")) or is_remote(path):
        return path
    joined = os.path.normpath(os.path.join(prefix, path))  # noqa: PTH118  text, with references in it
    return joined if joined.startswith(".") else f"./{joined}"


def is_remote(path: str) -> bool:
    """Whether a build context is no folder of this machine."""
    return any(mark in path for mark in REMOTE)


def rebase_service(service: Any, prefix: str) -> None:
    """Change, in place, the paths of a service that lies in the folder `prefix`."""
    if prefix == "." or not isinstance(service, dict):
        return
    if "build" in service:
        service["build"] = _rebase_entry(service["build"], "context", prefix)
    if "env_file" in service:
        files = service["env_file"]
        files = files if isinstance(files, list) else [files]
        service["env_file"] = [_rebase_entry(entry, "path", prefix) for entry in files]
    if isinstance(service.get("volumes"), list):
        service["volumes"] = [_rebase_mount(entry, prefix) for entry in service["volumes"]]


def rebase_file(part: Any, prefix: str) -> Any:
    """Return a secret or a config with the path of where it lies."""
    return (
        part if prefix == "." or not isinstance(part, dict) else _rebase_entry(part, "file", prefix)
    )


def _rebase_entry(entry: Any, key: str, prefix: str) -> Any:
    if isinstance(entry, str):
        return join(prefix, entry)
    if isinstance(entry, dict) and isinstance(entry.get(key), str):
        return {**entry, key: join(prefix, entry[key])}
    return entry


def _rebase_mount(entry: Any, prefix: str) -> Any:
    if isinstance(entry, str) and entry.startswith("."):
        source, colon, rest = entry.partition(":")
        return f"{join(prefix, source)}{colon}{rest}"
    if isinstance(entry, dict) and entry.get("type") == "bind":
        return _rebase_entry(entry, "source", prefix)
    return entry
