"""Who has a volume that nothing is in yet: the user of the container that is to write to it.

The engine gives a new volume the rights of the image's folder at its path. Where the image has no such
folder, or root has it, a process of another user could not write there.
"""

from __future__ import annotations

import io
import re
import tarfile
from typing import TYPE_CHECKING, Any

from orchestrator.engine.connection import translated
from orchestrator.engine.holder import hold
from orchestrator.stack import naming

if TYPE_CHECKING:
    import docker

    from orchestrator.engine.values import ContainerSpec

HOLD = "stackctl"  # the folder of the holder that is the volume; no image has it
NUMBERS = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?")
MOST = 64 * 1024  # bytes of an archive of one empty folder, and many more


def give_volumes(client: docker.APIClient, spec: ContainerSpec, user: str) -> None:
    """Give the volumes of a container that has not started to its user, as far as they are new.

    Only one that is the stack's own, that is empty and root's, and that no container has used. A user
    that is a name, not a number, is not known here. A command that dies on the way leaves what the next
    one finds new again. Raises EngineError.
    """
    if spec.labels.get(naming.ROLE) == "gateway":
        return  # what NGINX reads is root's, who writes it from inside without the right to pass over owners
    numbers = NUMBERS.fullmatch(user)
    if numbers is None or int(numbers[1]) == 0:
        return
    owner = int(numbers[1]), int(numbers[2] or 0)
    for volume in spec.volumes:
        mine = not (volume.read_only or volume.external)
        if mine and _is_unused(client, spec, volume.name):
            with translated(f"giving volume `{volume.name}` to user {user}"):
                _give(client, spec, volume.name, owner)


def _is_unused(client: Any, spec: ContainerSpec, volume: str) -> bool:
    with translated(f"looking at volume `{volume}`"):
        users = client.containers(all=True, filters={"volume": volume})
        if any(one["State"] != "created" for one in users):
            return False  # as in each release but the first: no more is asked
        labels = client.inspect_volume(volume).get("Labels") or {}
    return bool(labels.get(naming.STACK) == spec.labels.get(naming.STACK))


def _give(client: Any, spec: ContainerSpec, volume: str, owner: tuple[int, int]) -> None:
    """Do it through a container that never runs: the root of the other may be read-only."""
    with hold(client, spec, "owner", volume, f"/{HOLD}") as holder:
        folder = _read_empty(client, holder)
        if folder is not None and (folder.uid, folder.gid) == (0, 0):
            folder.name = HOLD
            folder.uid, folder.gid = owner
            client.put_archive(holder, "/", _pack(folder))


def _read_empty(client: Any, holder: str) -> tarfile.TarInfo | None:
    """Return the volume's folder; None where anything is in it."""
    chunks, _ = client.get_archive(holder, f"/{HOLD}")
    data = b""
    for chunk in chunks:
        data += chunk
        if len(data) > MOST:
            chunks.close()
            return None
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
    return members[0] if len(members) == 1 else None


def _pack(folder: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(folder)
    return packed.getvalue()
