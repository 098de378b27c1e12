"""The files of containers whose root is read-only: the engine writes none there, so a volume holds them.

Each is mounted at its path, read-only to whoever runs there. The volume itself is mounted as well, or
`docker volume prune` would take it for unused. Containers of the same files share one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING

from docker.types import Mount

from orchestrator.engine.connection import translated
from orchestrator.engine.holder import KEPT, hold
from orchestrator.engine.outfit import PackedFile, pack_files
from orchestrator.errors import EngineError, NotFound
from orchestrator.stack import naming

if TYPE_CHECKING:
    import docker

    from orchestrator.engine.values import ContainerSpec

HOLD = "/.stackctl"  # where a container has the volume
WHOLE = "whole"  # written last
_GUARD = threading.Lock()  # replicas are made side by side, and share a volume


def name_files_volume(spec: ContainerSpec) -> str | None:
    """Return the volume that has the files of a container; None where it needs none."""
    if not spec.files or not spec.read_only:
        return None
    facts = json.dumps([file.facts() for file in spec.files])
    digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return naming.files_volume(spec.labels.get(naming.STACK, ""), digest)


def mount_files(client: docker.APIClient, spec: ContainerSpec) -> list[Mount]:
    """Return what is to be mounted for a container to have its files; see to it that they are there.

    Raises EngineError.
    """
    name = name_files_volume(spec)
    if name is None:
        return []
    with _GUARD, translated(f"keeping the files of `{spec.name}`"):
        labels = {key: spec.labels[key] for key in KEPT if key in spec.labels}
        client.create_volume(name, driver="local", labels=labels)
        _fill(client, spec, name)
        place = str(client.inspect_volume(name)["Mountpoint"])
    return [
        Mount(HOLD, name, type="volume", read_only=True, no_copy=True),
        *(
            Mount(file.path, f"{place}/{number}", type="bind", read_only=True)
            for number, file in enumerate(spec.files)
        ),
    ]


def _fill(client: docker.APIClient, spec: ContainerSpec, volume: str) -> None:
    """Write the files into the volume, through a container that never runs, unless they are there."""
    with hold(client, spec, "files", volume, HOLD) as holder:
        if not _is_whole(client, holder):
            files = [
                PackedFile(str(number), file.mode, file.content)
                for number, file in enumerate(spec.files)
            ]
            client.put_archive(holder, HOLD, pack_files([*files, PackedFile(WHOLE, 0o444, b"")]))


def _is_whole(client: docker.APIClient, holder: str) -> bool:
    try:
        with translated("looking for files"):
            chunks, _ = client.get_archive(holder, f"{HOLD}/{WHOLE}")
            chunks.close()
    except NotFound:
        return False
    except EngineError:
        return False
    return True
