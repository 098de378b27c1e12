"""`volumes`, `tmpfs`, `secrets` and `configs`: what a container finds on its disk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.origin import shorten_path
from orchestrator.adopt.short_forms import Mount, to_list, to_mount, to_text

if TYPE_CHECKING:
    from orchestrator.adopt.parts import Part


def put_volumes(part: Part, value: object) -> None:
    """Take over `volumes`: named ones stay volumes, files of the repository become `files`."""
    for position, entry in enumerate(to_list(value)):
        at = f"volumes.{position}"
        with part.taking(at):
            _put_mount(part, to_mount(entry), at)


def _put_mount(part: Part, mount: Mount, at: str) -> None:
    if mount.kind == "tmpfs":
        part.add("tmpfs", part.write(mount.target), at)
    elif mount.kind == "bind":
        _put_bind(part, mount, at)
    elif mount.kind != "volume":
        raise Unfit(f"mounts of type `{mount.kind}` cannot be said in stack.yaml")
    elif not mount.source:
        raise Unfit(f"a volume without a name, at `{mount.target}`: name it to keep its data")
    else:
        if "$" in mount.source:
            raise Unfit("the volume's name comes from a variable: write the name")
        name = name_volume(mount.source)
        ending = ":ro" if mount.read_only else ""
        text = f"`{part.setting.name}-{name}` on the engine: an empty one, compose's data stay where they are"
        part.add("volumes", f"{name}:{part.write(mount.target)}{ending}", at, text, changed=True)


def _put_bind(part: Part, mount: Mount, at: str) -> None:
    """Take over a file of the repository. A folder, and all outside of it, cannot come along."""
    source = part.fill(mount.source)
    if not part.setting.is_file(source):
        raise Unfit(
            f"`{mount.source}` is a folder, or no file of this repository: use a named volume, or put it into the image"
        )
    if not part.has("files"):
        raise Unfit(f"`{mount.source}`: stack.yaml has no key `files` yet; put it into the image")
    entry = {"from": shorten_path(part.write(mount.source)), "to": part.write(mount.target)}
    text = "" if mount.read_only else f"`{mount.source}` is a copy in `files`, and read-only"
    part.add("files", entry, at, text, changed=bool(text))


def put_image_volumes(part: Part) -> None:
    """Give a name to each volume that the Dockerfile wants and nobody has named."""
    if part.stage is None:
        return
    named = {entry.split(":")[1].rstrip("/") for entry in part.keys.get("volumes", [])}
    for position, path in enumerate(dict.fromkeys(part.stage.volumes)):
        if path.rstrip("/") in named:
            continue
        name = name_volume(f"{part.name}-{path.strip('/').rpartition('/')[2]}")
        text = f"VOLUME `{path}` of the Dockerfile is the volume `{name}`"
        part.add("volumes", f"{name}:{path}", f"VOLUME.{position}", text, changed=True)


def name_volume(written: str) -> str:
    """Return a name that a volume may have in stack.yaml."""
    return re.sub(r"[^a-z0-9_-]+", "-", written.lower()).strip("-_") or "data"


def put_tmpfs(part: Part, value: object) -> None:
    """Take over `tmpfs`; of its options only the size is known."""
    for position, entry in enumerate(to_list(value)):
        at = f"tmpfs.{position}"
        path, _, options = part.write(entry).partition(":")
        size = re.search(r"(?:^|,)size=([0-9]+[kmgKMG]?)(?:,|$)", options)
        if not part.add("tmpfs", f"{path}:{size[1].lower()}" if size else path, at):
            continue
        if options and not (size and options == f"size={size[1]}"):
            part.changed(at, "of its options only the size is kept")


def put_secret_files(part: Part, value: object) -> None:
    """Take over `secrets` that are files of the repository."""
    _put_files(part, value, "secrets", "/run/secrets/")


def put_configs(part: Part, value: object) -> None:
    """Take over `configs` that are files of the repository."""
    _put_files(part, value, "configs", "/")


def _put_files(part: Part, value: object, group: str, folder: str) -> None:
    known = part.setting.project.get(group) or {}
    for position, entry in enumerate(to_list(value)):
        at = f"{group}.{position}"
        written: dict[str, Any] = entry if isinstance(entry, dict) else {"source": entry}
        name = to_text(written.get("source"))
        where = known.get(name) if isinstance(known, dict) else None
        source = where.get("file") if isinstance(where, dict) else None
        target = to_text(written.get("target")) or name
        with part.taking(at):
            if not isinstance(source, str):
                raise Unfit(f"`{name}` is no file: hand a variable on with `secrets`")
            path = target if target.startswith("/") else f"{folder}{target}"
            _put_bind(part, Mount("bind", source, path, read_only=True), at)
