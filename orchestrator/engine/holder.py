"""A container that never runs: through it the engine reads and writes what is in a volume."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from orchestrator.engine.connection import translated
from orchestrator.errors import NotFound
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from orchestrator.engine.values import ContainerSpec

KEPT = (naming.STACK, naming.DRILL_OF)  # labels that tell whose it is


@contextmanager
def hold(
    client: docker.APIClient, spec: ContainerSpec, ending: str, volume: str, place: str
) -> Iterator[str]:
    """Hold a volume at a place for the container of a spec; yield the holder's id.

    It is of the same image, which is here, and has a role of its own: it is not what that image's labels
    say. One that a command which died has left is removed before.
    """
    name = naming.holder_name(spec.name, ending)
    with suppress(NotFound), translated("removing what a command that died has left"):
        client.remove_container(name, force=True, v=True)
    how = client.create_host_config(
        binds={volume: {"bind": place, "mode": "rw"}}, network_mode="none"
    )
    labels = {key: spec.labels[key] for key in KEPT if key in spec.labels}
    holder = client.create_container(
        spec.image,
        entrypoint=["true"],
        name=name,
        host_config=how,
        labels={**labels, naming.ROLE: "holder"},
    )
    try:
        yield str(holder["Id"])
    finally:
        client.remove_container(holder["Id"], force=True, v=True)
