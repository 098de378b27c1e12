"""A lock that frees itself: a container that lives as long as its holder's connection to it.

It runs `cat`, whose standard input is attached to the holder. When the holder dies, the connection
closes, `cat` ends and the engine removes the container. There is no heartbeat, nothing to clean
up, and it works over a remote DOCKER_HOST as well.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from orchestrator.engine.connection import FOREIGN, translated
from orchestrator.errors import EngineError

if TYPE_CHECKING:
    import socket

    import docker

    from orchestrator.engine.base import ContainerSpec


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
            with translated("releasing the lock"):
                self._client.remove_container(self._container, force=True)
        except EngineError:
            # The container removes itself as soon as our connection is gone: closing it below
            # is the release, and removing is only the faster way.
            pass
        finally:
            self._stream.close()
            self._socket.close()  # only both end the connection


def take_lease(client: docker.APIClient, spec: ContainerSpec) -> DockerLease:
    """Create the lock container (the engine lets only one of a name exist), attach, start."""
    with translated(f"taking the lock `{spec.name}`"):
        container = client.create_container(
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
    try:
        lease = DockerLease(client, container)
        with translated("starting the lock"):
            client.start(container)
    except (EngineError, *FOREIGN):
        with translated("removing the lock"):
            client.remove_container(container, force=True)
        raise
    return lease
