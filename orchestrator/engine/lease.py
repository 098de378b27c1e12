"""A lock that frees itself: a container that lives as long as its holder's connection to it.

It runs `cat`, whose standard input is attached to the holder. When the holder dies, the connection
closes, `cat` ends and the engine removes the container. There is no heartbeat, and it works over a
remote DOCKER_HOST as well. Only a taker that dies between creating and starting it leaves something:
a container that never runs, which the next taker removes.
"""

from __future__ import annotations

import select
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.engine.connection import translated
from orchestrator.errors import Conflict, EngineError, NotFound

if TYPE_CHECKING:
    import socket

    import docker

    from orchestrator.engine.values import ContainerSpec

STILLBORN = 5.0  # seconds; whoever lives starts the lock within a fraction of one


class DockerLease:
    """The holder's side of the lock container."""

    def __init__(self, client: docker.APIClient, container: str) -> None:
        self._client = client
        self._container = container
        with translated("attaching to the lock"):
            stream = client.attach_socket(container, params={"stdin": 1, "stdout": 1, "stream": 1})
        self._stream = stream  # keeps the socket below from being closed by the collector
        self._socket: socket.socket = getattr(stream, "_sock", stream)

    @property
    def held(self) -> bool:
        """Whether the lock is still ours: its container prints nothing until it ends."""
        try:
            readable, _, _ = select.select([self._socket], [], [], 0)
            return not readable
        except (OSError, ValueError):
            return False

    def release(self) -> None:
        """Give the lock back; it is free when this returns."""
        try:
            # The container removes itself as soon as our connection is gone: closing it below
            # is the release, and removing is only the faster way.
            _remove(self._client, self._container)
        finally:
            self._stream.close()
            self._socket.close()  # only both end the connection


def take_lease(client: docker.APIClient, spec: ContainerSpec) -> DockerLease:
    """Create the lock container (the engine lets only one of a name exist), attach, start."""
    try:
        container = _create(client, spec)
    except Conflict:
        if not _remove_stillborn(client, spec.name):
            raise
        container = _create(client, spec)
    with ExitStack() as undo:  # after a signal too: the container would stay as it is
        undo.callback(_remove, client, container)
        try:
            lease = DockerLease(client, container)
            undo.callback(lease.release)
            with translated("starting the lock"):
                client.start(container)
        except NotFound as error:  # it took us so long that another taker has removed it
            raise Conflict(error.message) from error
        undo.pop_all()
        return lease


def _create(client: docker.APIClient, spec: ContainerSpec) -> str:
    with translated(f"taking the lock `{spec.name}`"):
        return str(
            client.create_container(
                spec.image,
                name=spec.name,
                entrypoint=["cat"],
                labels=dict(spec.labels),
                stdin_open=True,
                user="65534:65534",
                host_config=client.create_host_config(
                    auto_remove=True,
                    network_mode="none",
                    cap_drop=["ALL"],
                    security_opt=["no-new-privileges"],
                    read_only=True,
                    mem_limit=16 * 1024**2,
                    pids_limit=8,
                ),
            )["Id"]
        )


def _remove(client: docker.APIClient, container: str) -> None:
    with suppress(EngineError), translated("removing the lock"):
        client.remove_container(container, force=True, v=True)


def _remove_stillborn(client: docker.APIClient, name: str) -> bool:
    """Remove a lock that was never started; False where it is none. Raises Conflict.

    Without force, and by its id: one that is started after all stays, and so does the next one.
    """
    with suppress(NotFound), translated(f"clearing the lock `{name}`"):
        found = client.containers(all=True, filters={"name": f"^/{name}$", "status": "created"})
        if not found or _age(client, found[0]["Created"]) < STILLBORN:
            return False
        client.remove_container(found[0]["Id"], v=True)
    return True


def _age(client: docker.APIClient, created: float) -> float:
    """Return how old something is by the engine's own clock."""
    return datetime.fromisoformat(client.info()["SystemTime"]).timestamp() - created
