"""The Docker Engine behind the protocol, through the Docker SDK's low-level client.

The low-level client makes one call for one question; the object client inspects what it lists.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.engine import images, inspection, names, networks
from orchestrator.engine.connection import connect, translated
from orchestrator.engine.conversation import DockerConversation
from orchestrator.engine.creation import create_container
from orchestrator.engine.identity import identify, read_memory
from orchestrator.engine.lease import take_lease
from orchestrator.engine.payloads import PERSISTENT, RESTING, to_container
from orchestrator.engine.session import FirstSession, JoinedSession
from orchestrator.engine.transfer import bring_image, push_image
from orchestrator.errors import Conflict, EngineError, NotFound
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    import docker

    from orchestrator.engine.ports import Conversation, Lease, Session
    from orchestrator.engine.values import (
        BuildOrder,
        Container,
        ContainerSpec,
        Ending,
        Image,
        Made,
        Named,
        Network,
        Output,
        Vitals,
    )
    from orchestrator.whereabouts import Whereabouts


class DockerEngine:
    """The Docker Engine that DOCKER_HOST, a context or nobody names: then it is the local socket's."""

    def __init__(
        self,
        client: docker.APIClient | None = None,
        around: Mapping[str, str] = os.environ,
        workshop: Callable[[], docker.APIClient] | None = None,
    ) -> None:
        self._client = client or connect()
        self._around = around  # the environment, where a Docker CLI is found to build with
        self._workshop = workshop  # opens the engine that builds, where it is another one

    def containers(self, stack: str) -> tuple[Container, ...]:
        """Return all containers of a stack, running or not, in one call."""
        with translated("listing containers"):
            found = self._client.containers(all=True, filters={"label": f"{naming.STACK}={stack}"})
        return tuple(to_container(entry) for entry in found)

    def ending(self, container: str) -> Ending:
        """Return how its process ended last."""
        return inspection.read_ending(self._client, container)

    def made(self, container: str) -> Made:
        """Return what it was made from."""
        return inspection.read_made(self._client, container)

    def vitals(self, containers: Collection[str], within: float) -> Mapping[str, Vitals]:
        """Return how containers fare, as far as the engine says so in time."""
        return inspection.read_vitals(self._client, containers, within)

    def run(self, spec: ContainerSpec) -> str:
        """Create and start a container; one that does not start is removed again."""
        container = self.create(spec)
        try:
            self.start(container)
        except EngineError:
            self.remove(container, data=True)
            raise
        return container

    def create(self, spec: ContainerSpec) -> str:
        """Create a container without starting it."""
        return create_container(self._client, spec)

    def start(self, container: str) -> None:
        """Start a container that does not run."""
        try:
            with translated(f"starting `{container[:12]}`"):
                self._client.start(container)
        except EngineError as error:
            if networks.rejoin(self._client, container, error):
                return self.start(container)
            networks.explain_taken_address(self._client, container, error)
            raise

    def stop(self, container: str, grace: float) -> None:
        """SIGTERM, then after `grace` seconds SIGKILL."""
        with suppress(NotFound), translated("stopping a container"):
            self._client.stop(container, timeout=round(grace))

    def remove(self, container: str, *, data: bool = False) -> None:
        """Kill and remove a container, and with `data` its volumes without a name."""
        try:
            with translated("removing a container"):
                self._client.remove_container(container, force=True, v=data)
        except (NotFound, Conflict):  # a forced removal only conflicts with one under way
            return

    def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        with suppress(NotFound), translated(f"renaming a container to `{name}`"):
            self._client.rename(container, name)

    def persist(self, container: str) -> None:
        """Have the engine bring it back after a crash or a reboot from now on."""
        with translated("updating a container"):
            self._client.update_container(container, restart_policy=PERSISTENT)

    def unpersist(self, container: str) -> None:
        """Have the engine leave it as it is from now on."""
        with suppress(NotFound), translated("updating a container"):
            self._client.update_container(container, restart_policy=RESTING)

    def signal(self, container: str, name: str) -> None:
        """Send a signal to the container's first process."""
        with translated(f"sending SIG{name}"):
            self._client.kill(container, signal=f"SIG{name}")

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> str:
        """Return what it printed on both streams."""
        return inspection.read_log(self._client, container, tail, since, timestamps=timestamps)

    def follow(
        self, container: str, *, tail: int, since: float | None = None, timestamps: bool = False
    ) -> Iterator[str]:
        """Yield lines as they are printed."""
        return inspection.follow_log(self._client, container, tail, since, timestamps=timestamps)

    def execute(self, container: str, argv: tuple[str, ...], *, user: str = "") -> Output:
        """Run a command inside a container and wait for it."""
        return inspection.run_command(self._client, container, argv, user)

    def converse(self, container: str, argv: tuple[str, ...], *, user: str = "") -> Conversation:
        """Start a command inside a container that is asked line by line."""
        return DockerConversation(self._client, container, argv, user)

    def attend(
        self,
        container: str,
        argv: tuple[str, ...],
        *,
        user: str = "",
        terminal: bool = False,
        environment: Mapping[str, str] = {},
    ) -> Session:
        """Start a command inside a container that somebody sits at."""
        return JoinedSession(
            self._client, container, argv, user=user, terminal=terminal, environment=environment
        )

    def begin(self, container: str, program: str, *, terminal: bool) -> Session:
        """Start a container; somebody sits at its first process."""
        return FirstSession(self._client, container, program, terminal=terminal)

    def processes(self, container: str) -> dict[int, str]:
        """Return the command line of every process in the container, by host pid."""
        with translated("listing processes"):
            table = self._client.top(container, ps_args="-eo pid,args")
        return {int(pid): command for pid, command in table["Processes"] or ()}

    def write(self, container: str, folder: str, archive: bytes) -> None:
        """Unpack a tar archive into a folder of the container, running or not."""
        with translated(f"writing to `{folder}`"):
            self._client.put_archive(container, folder, archive)

    def read(self, container: str, path: str) -> str:
        """Return a text file of the container, following one link."""
        return inspection.read_file(self._client, container, path)

    def fetch(self, container: str, folder: str) -> Iterator[bytes]:
        """Yield a folder of the container as a tar archive."""
        return inspection.fetch_folder(self._client, container, folder)

    def image(self, reference: str) -> Image:
        """Return an image that the engine has."""
        return images.find_image(self._client, reference)

    def images(self, stack: str) -> tuple[Image, ...]:
        """Return the images built for a stack."""
        return images.list_images(self._client, stack)

    def build(self, order: BuildOrder, report: Callable[[str], None]) -> Image:
        """Build an image, and bring it where it is wanted, reporting each line."""
        builder = self._workshop() if self._workshop else self._client
        image = images.build_image(builder, order, report, self._around)
        if order.published:
            image = push_image(builder, order, report)
        if builder is not self._client:
            image = bring_image(builder, self._client, order, image, report)
        return image

    def newest(self, reference: str) -> str:
        """Return the digest that the registry has under a reference now."""
        return images.find_newest(self._client, reference)

    def pull(self, reference: str, report: Callable[[str], None]) -> Image:
        """Fetch an image from its registry."""
        return images.pull_image(self._client, reference, report)

    def remove_image(self, image: str) -> None:
        """Remove an image and its tags."""
        images.remove_image(self._client, image)

    def ensure_network(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        internal: bool = False,
        subnet: str | None = None,
    ) -> Network:
        """Make a bridge network unless it exists."""
        return networks.ensure_network(self._client, name, labels, internal=internal, subnet=subnet)

    def network(self, name: str) -> Network | None:
        """Return a network; None where there is none."""
        return networks.find_network(self._client, name)

    def connect(
        self,
        container: str,
        network: str,
        *,
        address: str | None = None,
        aliases: tuple[str, ...] = (),
    ) -> None:
        """Give a container an address in another network."""
        with translated(f"connecting `{container[:12]}` to `{network}`"):
            self._client.connect_container_to_network(
                container, network, ipv4_address=address, aliases=list(aliases)
            )

    def disconnect(self, container: str, network: str) -> None:
        """Take a container out of a network."""
        try:
            with translated(f"disconnecting a container from `{network}`"):
                self._client.disconnect_container_from_network(container, network, force=True)
        except EngineError as error:
            if "is not connected" not in error.message:
                raise

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a volume unless it exists."""
        names.ensure_volume(self._client, name, labels)

    def remove_network(self, name: str) -> None:
        """Remove a network."""
        with suppress(NotFound), translated(f"removing network `{name}`"):
            self._client.remove_network(name)

    def volumes(self, stack: str) -> tuple[str, ...]:
        """Return the names of a stack's volumes."""
        with translated("listing volumes"):
            found = self._client.volumes(filters={"label": f"{naming.STACK}={stack}"})
        return tuple(sorted(volume["Name"] for volume in found["Volumes"] or ()))

    def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it."""
        with suppress(NotFound), translated(f"removing volume `{name}`"):
            self._client.remove_volume(name)

    def named(self, prefix: str) -> tuple[Named, ...]:
        """Return all whose names begin so, in three calls."""
        return names.find_named(self._client, prefix)

    def hold(self, spec: ContainerSpec) -> Lease:
        """Take the lock of that name."""
        return take_lease(self._client, spec)

    def whereabouts(self) -> Whereabouts:
        """Return where it is, and what it says of itself."""
        return identify(self._client)

    def memory(self) -> int:
        """Return the bytes of memory that its machine has; 0 where it does not say."""
        return read_memory(self._client)
