"""What stackctl asks of a container engine, by who asks it.

The Docker implementation and the stateful fake of the tests pass the same contract tests. Every
method raises EngineError (NotFound, Conflict) and nothing foreign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

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


class Conversation(Protocol):
    """A process inside a container that answers every line with a line."""

    def ask(self, line: str, within: float = ...) -> str:
        """Send a line and return the answer; it may be silent for `within` seconds.

        Raises EngineError where none comes.
        """

    def close(self) -> None:
        """End it."""


class Session(Protocol):
    """A process inside a container that somebody sits at: bytes go in and come out as they are."""

    def send(self, data: bytes) -> None:
        """Give the process more input. Raises EngineError where it has ended."""

    def end_input(self) -> None:
        """Tell the process that there is no more input."""

    def resize(self, rows: int, columns: int) -> None:
        """Say how large the terminal is."""

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Yield what the process prints, until its end: the stream (1 or 2) and the bytes.

        Raises NotFound where the container has no such program.
        """

    def exit_code(self) -> int:
        """Return what the process ended with. Raises Disconnected where it has not ended."""

    def has_ended(self) -> bool:
        """Whether the process has ended; one that is yet to begin has not."""

    def close(self) -> None:
        """Leave the process; what reads its input finds the end of it."""


class Lease(Protocol):
    """A lock that the engine frees by itself once its holder is gone."""

    @property
    def held(self) -> bool:
        """Whether the lock is still ours."""

    def release(self) -> None:
        """Give the lock back."""


class Containers(Protocol):
    """The containers of a stack, from outside."""

    def containers(self, stack: str) -> tuple[Container, ...]:
        """Return all containers of a stack, running or not, in one call."""

    def ending(self, container: str) -> Ending:
        """Return how its process ended last. Raises NotFound."""

    def made(self, container: str) -> Made:
        """Return what it was made from. Raises NotFound."""

    def vitals(self, containers: Collection[str], within: float) -> Mapping[str, Vitals]:
        """Return how containers fare, by their ids, after `within` seconds at the latest.

        Who has not answered by then, or is not there, is left out. Raises nothing.
        """

    def run(self, spec: ContainerSpec) -> str:
        """Create and start a container; return its id. Raises Conflict."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container without starting it; return its id. Raises Conflict."""

    def start(self, container: str) -> None:
        """Start a container that does not run."""

    def stop(self, container: str, grace: float) -> None:
        """SIGTERM, then after `grace` seconds SIGKILL; a stopped or missing one is fine."""

    def remove(self, container: str, *, data: bool = False) -> None:
        """Kill and remove a container; a missing one is fine.

        Its volumes without a name, where its image keeps data, go only with `data`.
        """

    def rename(self, container: str, name: str) -> None:
        """Give a container another name; a missing one is fine. Raises Conflict where it is taken."""

    def persist(self, container: str) -> None:
        """Have the engine bring it back after a crash or a reboot from now on."""

    def unpersist(self, container: str) -> None:
        """Have the engine leave it as it is from now on. A missing one is fine."""

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> str:
        """Return what it printed: the last `tail` lines, or all since a Unix time.

        With `timestamps` each line begins with its time in UTC, as ISO 8601 has it, and a space.
        """

    def follow(
        self, container: str, *, tail: int, since: float | None = None, timestamps: bool = False
    ) -> Iterator[str]:
        """Yield lines as they are printed, after the last `tail` ones."""


class Inside(Protocol):
    """What is done inside a container: of files, processes and signals."""

    def execute(self, container: str, argv: tuple[str, ...], *, user: str = "") -> Output:
        """Run a command inside a container and wait for it."""

    def converse(self, container: str, argv: tuple[str, ...], *, user: str = "") -> Conversation:
        """Start a command inside a container that is asked line by line."""

    def attend(
        self,
        container: str,
        argv: tuple[str, ...],
        *,
        user: str = "",
        terminal: bool = False,
        environment: Mapping[str, str] = {},
    ) -> Session:
        """Start a command inside a container that somebody sits at, with a `terminal` or without.

        `environment` is what it has beside the container's own.
        """

    def begin(self, container: str, program: str, *, terminal: bool) -> Session:
        """Start a container that was created to take input; somebody sits at its first process.

        `program` is what it runs. Raises NotFound where its image has no such program.
        """

    def processes(self, container: str) -> dict[int, str]:
        """Return the command line of every process in the container, by host pid."""

    def signal(self, container: str, name: str) -> None:
        """Send a signal such as `HUP` to the container's first process."""

    def write(self, container: str, folder: str, archive: bytes) -> None:
        """Unpack a tar archive into a folder of the container, running or not."""

    def read(self, container: str, path: str) -> str:
        """Return a text file of the container, running or not, following links."""

    def fetch(self, container: str, folder: str) -> Iterator[bytes]:
        """Yield a folder of the container, running or not, as a tar archive. Raises NotFound."""


class Images(Protocol):
    """Images, and how they come to be there."""

    def image(self, reference: str) -> Image:
        """Return an image that the engine has. Raises NotFound."""

    def images(self, stack: str) -> tuple[Image, ...]:
        """Return the images built for a stack."""

    def build(self, order: BuildOrder, report: Callable[[str], None]) -> Image:
        """Build an image, reporting each line; push it where it is to be published.

        Raises ImageError with the last lines.
        """

    def newest(self, reference: str) -> str:
        """Return the digest that the registry has under a reference now, such as `sha256:1f…`.

        Raises ImageError where the registry does not answer within some seconds, or does not have it.
        """

    def pull(self, reference: str, report: Callable[[str], None]) -> Image:
        """Fetch an image from its registry. Raises ImageError."""

    def remove_image(self, image: str) -> None:
        """Remove an image and its tags; a missing one is fine, one in use is an EngineError."""


class Networks(Protocol):
    """Networks, and who is in them."""

    def ensure_network(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        internal: bool = False,
        subnet: str | None = None,
    ) -> Network:
        """Make a bridge network unless it exists; an internal one has no way in or out.

        Without a `subnet` the engine chooses one. Raises Conflict where the network that exists is
        somebody else's or another one than is asked for, and where the subnet is taken.
        """

    def network(self, name: str) -> Network | None:
        """Return a network; None where there is none."""

    def remove_network(self, name: str) -> None:
        """Remove a network; a missing one is fine."""

    def connect(
        self,
        container: str,
        network: str,
        *,
        address: str | None = None,
        aliases: tuple[str, ...] = (),
    ) -> None:
        """Give a container an address in another network. Raises Conflict where it has one."""

    def disconnect(self, container: str, network: str) -> None:
        """Take a container out of a network; one that is not in it is fine."""


class Volumes(Protocol):
    """Named volumes."""

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a volume unless it exists.

        Raises Conflict where the one that exists is another stack's. One that no stack has made is
        taken as it is: somebody may have brought data, or a driver, of their own.
        """

    def volumes(self, stack: str) -> tuple[str, ...]:
        """Return the names of a stack's volumes."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it; a missing one is fine."""


class Names(Protocol):
    """Names, of which the engine gives out each only once, to all stacks together."""

    def named(self, prefix: str) -> tuple[Named, ...]:
        """Return all containers, networks and volumes whose names begin so, whoever's they are."""


class Locks(Protocol):
    """Locks that all who use the engine see."""

    def hold(self, spec: ContainerSpec) -> Lease:
        """Take the lock of that name. Raises Conflict at once where somebody has it."""


class Itself(Protocol):
    """Which engine it is."""

    def whereabouts(self) -> Whereabouts:
        """Return where it is, and what it says of itself. Raises nothing."""

    def memory(self) -> int:
        """Return the bytes of memory that its machine has; 0 where it does not say. Raises nothing."""


class Engine(Containers, Inside, Images, Networks, Volumes, Names, Locks, Itself, Protocol):
    """The whole engine, for those who hand it on."""
