"""How a container is made: created, taken into its further networks, and given its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker.errors import APIError

from orchestrator.engine.connection import translated
from orchestrator.engine.files_volume import mount_files
from orchestrator.engine.first_owner import give_volumes
from orchestrator.engine.outfit import pack_files
from orchestrator.engine.payloads import to_healthcheck, to_host_config, to_mac, to_networking
from orchestrator.errors import EngineError

if TYPE_CHECKING:
    import docker

    from orchestrator.engine.values import ContainerSpec


def create_container(client: docker.APIClient, spec: ContainerSpec) -> str:
    """Create a container without starting it; return its id. One that is not whole is removed again.

    Raises EngineError, Conflict, NotFound.
    """
    mounts = mount_files(client, spec)
    with translated(f"creating `{spec.name}`"):
        user = spec.user or _find_user(client, spec)
        container = str(
            client.create_container(
                spec.image,
                command=list(spec.command) or None,
                entrypoint=list(spec.entrypoint) or None,
                name=spec.name,
                labels=dict(spec.labels),
                environment=dict(spec.environment),
                ports=[port for port, _ in spec.ports] or None,
                user=spec.user,
                stdin_open=spec.takes_input,
                tty=spec.terminal,
                stop_signal=spec.stop_signal and f"SIG{spec.stop_signal}",
                stop_timeout=max(1, round(spec.stop_grace)),
                healthcheck=to_healthcheck(spec),
                mac_address=to_mac(client, spec),
                networking_config=to_networking(client, spec),
                host_config=to_host_config(client, spec, user, mounts),
            )["Id"]
        )
    try:
        for network in (*([spec.edge] if spec.edge else ()), *spec.networks):
            with translated(f"connecting `{spec.name}` to `{network}`"):
                client.connect_container_to_network(container, network)
        if spec.files and not mounts:
            _write_files(client, container, spec)
        give_volumes(client, spec, user)
    except EngineError:
        with translated(f"removing `{spec.name}`"):
            client.remove_container(container, force=True, v=True)
        raise
    return container


def _find_user(client: Any, spec: ContainerSpec) -> str:
    """Return who an image says runs in it, where that is asked for."""
    if not spec.memory_folders and not spec.volumes:
        return ""
    return str((client.inspect_image(spec.image).get("Config") or {}).get("User") or "")


def _write_files(client: Any, container: str, spec: ContainerSpec) -> None:
    """Put files into a container that has not started. What is a folder there is left alone.

    docker-py's `put_archive` cannot say so: by default the engine removes the folder with all in it.
    """
    where = client._url("/containers/{0}/archive", container)  # noqa: SLF001  see above
    how = {"path": "/", "noOverwriteDirNonDir": "true"}
    with translated(f"writing `files` into `{spec.name}`"):
        answer = client._put(where, params=how, data=pack_files(spec.files))  # noqa: SLF001
        try:
            client._raise_for_status(answer)  # noqa: SLF001
        except APIError as error:
            if "cannot overwrite directory" not in str(error.explanation):
                raise
            raise EngineError(
                f"`{spec.name}`: a path in `files` is a folder in its image",
                "name the file in it: `to: /etc/app/app.conf`",
            ) from error
