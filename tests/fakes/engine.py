"""A container engine in memory, small enough to read.

Behind it is a FakeHost, the world that stackctl changes. What goes wrong is told beforehand as
data: `fail` for the engine itself, `host.apps` for the programs in the containers, `host.habits`
for NGINX. Nothing is ever patched.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.engine.values import Ending, Made, Named
from orchestrator.errors import Conflict, EngineError, NotFound
from orchestrator.stack import naming
from orchestrator.whereabouts import Whereabouts
from tests.fakes.conversation import FakeConversation
from tests.fakes.disk import Disk
from tests.fakes.faults import Call, Fault
from tests.fakes.session import FakeSession

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from orchestrator.engine.ports import Conversation, Lease, Session
    from orchestrator.engine.values import (
        BuildOrder,
        Container,
        ContainerSpec,
        Image,
        Network,
        Output,
        Vitals,
    )
    from tests.fakes.host import FakeHost


PLACE = Whereabouts("unix:///fake.sock", "", "box", "29.1.2")
STILLBORN = 5.0  # seconds after which a lock that was never started is nobody's


@dataclass
class FakeLease:
    """A lock that is ours as long as its container exists."""

    host: FakeHost
    container: str

    @property
    def held(self) -> bool:
        """Whether the lock is still ours."""
        return self.container in self.host.boxes

    def release(self) -> None:
        """Give the lock back."""
        if self.held:
            self.host.forget(self.host.boxes[self.container], data=True)


@dataclass
class FakeEngine:
    """Implements orchestrator.engine.ports.Engine."""

    host: FakeHost
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fail(self, *faults: Fault) -> None:
        """Let some of the next calls go wrong."""
        self.faults += faults

    def containers(self, stack: str) -> tuple[Container, ...]:
        """Return all containers of a stack."""
        with self.called("containers", stack):
            now = self.host.clock.monotonic()
            return tuple(
                box.as_listed(now)
                for box in self.host.boxes.values()
                if box.spec.labels.get(naming.STACK) == stack
            )

    def whereabouts(self) -> Whereabouts:
        """Return where it is; that never fails."""
        return PLACE

    def memory(self) -> int:
        """Return how much memory its machine has; that never fails."""
        return self.host.memory

    def ending(self, container: str) -> Ending:
        """Return how its process ended last."""
        with self.called("ending", container):
            box = self.host.box(container)
            return Ending(box.ended or 0, box.app.out_of_memory)

    def made(self, container: str) -> Made:
        """Return what it was made from."""
        with self.called("made", container):
            spec = self.host.box(container).spec
            return Made(dict(spec.environment), spec.memory, spec.cpus, spec.pids)

    def vitals(self, containers: Collection[str], within: float) -> Mapping[str, Vitals]:  # noqa: ARG002
        """Return how containers fare; all answer in time here."""
        with self.called("vitals", ""):
            boxes = {box.id: box for box in self.host.boxes.values() if box.id in containers}
            return {name: box.vitals(self.host.clock.now()) for name, box in boxes.items()}

    def run(self, spec: ContainerSpec) -> str:
        """Create and start a container; one that does not start is removed again."""
        with self.called("run", spec.name):
            box = self.host.create(spec)
            try:
                self.host.start(box)
            except EngineError:
                self.host.forget(box, data=True)
                raise
            return box.id

    def create(self, spec: ContainerSpec) -> str:
        """Create a container."""
        with self.called("create", spec.name):
            return self.host.create(spec).id

    def start(self, container: str) -> None:
        """Start a container that does not run."""
        with self.called("start", container):
            box = self.host.box(container)
            if box.state != "running":
                self.host.start(box)

    def rename(self, container: str, name: str) -> None:
        """Give a container another name, unless that one is taken; a missing one is fine."""
        with self.called("rename", container):
            box = self.host.find(container)
            if box is None:
                return
            if self.host.find(name) is not None:
                raise Conflict(f"renaming a container to `{name}`: it is taken")
            self.host.changed("rename", box.spec.name)
            box.spec = replace(box.spec, name=name)

    def persist(self, container: str) -> None:
        """Have a container brought back after a crash from now on."""
        with self.called("persist", container):
            box = self.host.box(container)
            self.host.changed("persist", box.spec.name)
            box.persistent = True

    def unpersist(self, container: str) -> None:
        """Have a container left as it is from now on; a missing one is fine."""
        with self.called("unpersist", container):
            box = self.host.find(container)
            if box is not None:
                self.host.changed("unpersist", box.spec.name)
                box.persistent = False

    def stop(self, container: str, grace: float) -> None:  # noqa: ARG002  all end at once here
        """Stop a container; a stopped or missing one is fine."""
        with self.called("stop", container):
            box = self.host.find(container)
            if box is not None and box.state in ("running", "restarting"):
                self.host.end("stop", box)

    def remove(self, container: str, *, data: bool = False) -> None:
        """Remove a container, with its volumes without a name only where asked to."""
        with self.called("remove", container):
            box = self.host.find(container)
            if box is not None:
                self.host.end("remove", box, data=data)

    def signal(self, container: str, name: str) -> None:
        """Send a signal; NGINX takes HUP for a reload."""
        with self.called("signal", container):
            box = self.host.running(container)
            self.host.changed("signal", box.spec.name)
            if box.nginx is not None and name == "HUP":
                box.nginx.hang_up()

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> str:
        """Return what it printed."""
        with self.called("logs", container):
            box = self.host.box(container)
            lines = [
                f"{datetime.fromtimestamp(at, UTC).isoformat()} {line}" if timestamps else line
                for at, line in box.printed
                if since is None or at >= since
            ]
            lines += box.nginx.said if box.nginx else []
            return "".join(f"{line}\n" for line in (lines if tail is None else lines[-tail:]))

    def follow(
        self, container: str, *, tail: int, since: float | None = None, timestamps: bool = False
    ) -> Iterator[str]:
        """Yield what it has printed, and what it goes on to print while somebody takes it."""
        lines = self.logs(container, tail=tail, since=since, timestamps=timestamps).splitlines()
        seen = len(self.host.box(container).printed)
        yield from lines
        yield from (line for _, line in self.host.box(container).printed[seen:])

    def execute(self, container: str, argv: tuple[str, ...], *, user: str = "") -> Output:  # noqa: ARG002
        """Run a command in a running container."""
        with self.called("execute", container):
            box = self.host.running(container)
            if argv[0] == "rm":
                self.host.changed(" ".join(argv), box.spec.name)
            return box.execute(argv, self.host.sockets(box))

    def converse(self, container: str, argv: tuple[str, ...], *, user: str = "") -> Conversation:  # noqa: ARG002
        """Start a command in a running container that is asked line by line."""
        with self.called("converse", container):
            return FakeConversation(self, self.host.running(container), argv)

    def attend(
        self,
        container: str,
        argv: tuple[str, ...],
        *,
        user: str = "",  # noqa: ARG002
        terminal: bool = False,  # noqa: ARG002
        environment: Mapping[str, str] = {},
    ) -> Session:
        """Start a command in a running container that somebody sits at."""
        with self.called("attend", container):
            return FakeSession(self, self.host.running(container), argv, environment)

    def begin(self, container: str, program: str, *, terminal: bool) -> Session:  # noqa: ARG002
        """Start a container; somebody sits at its first process."""
        with self.called("begin", container):
            box = self.host.box(container)
            if "no-such" in program:
                raise NotFound(f"`{program}` cannot be run there: the image does not have it")
            self.host.start(box)
            return FakeSession(self, box, box.spec.entrypoint)

    def processes(self, container: str) -> dict[int, str]:
        """Return the processes of a running container."""
        with self.called("processes", container):
            box = self.host.running(container)
            return box.nginx.processes() if box.nginx else {1: box.command_line()}

    def write(self, container: str, folder: str, archive: bytes) -> None:
        """Unpack a tar archive."""
        with self.called("write", container):
            box = self.host.box(container)
            self.host.changed("write", box.spec.name)
            disk, inside = box.find(folder)
            disk.unpack(inside, archive)

    def read(self, container: str, path: str) -> str:
        """Return a text file."""
        with self.called("read", container):
            return self.host.box(container).read(path)

    def fetch(self, container: str, folder: str) -> Iterator[bytes]:
        """Yield a folder as a tar archive."""
        with self.called("fetch", container):
            disk, inside = self.host.box(container).find(folder)
            return iter([disk.pack(inside)])

    def image(self, reference: str) -> Image:
        """Return an image that is here."""
        with self.called("image", reference):
            return self.host.shelf.find(reference)

    def images(self, stack: str) -> tuple[Image, ...]:
        """Return the images built for a stack."""
        with self.called("images", stack):
            return self.host.shelf.of(stack)

    def build(self, order: BuildOrder, report: Callable[[str], None]) -> Image:
        """Build an image."""
        with self.called("build", order.tag):
            self.host.changed("build", order.tag)
            return self.host.shelf.build(order, report)

    def newest(self, reference: str) -> str:
        """Return the digest that the registry has."""
        with self.called("newest", reference):
            return self.host.shelf.newest(reference)

    def pull(self, reference: str, report: Callable[[str], None]) -> Image:
        """Fetch an image."""
        with self.called("pull", reference):
            self.host.changed("pull", reference)
            return self.host.shelf.pull(reference, report)

    def remove_image(self, image: str) -> None:
        """Remove an image; a missing one is fine, one in use is not."""
        with self.called("remove_image", image):
            try:
                found = self.host.shelf.find(image)
            except NotFound:
                return
            if any(box.image.id == found.id for box in self.host.boxes.values()):
                raise Conflict(f"removing image `{image}`: a container uses it")
            self.host.changed("remove_image", image)
            self.host.shelf.remove(image)

    def ensure_network(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        internal: bool = False,
        subnet: str | None = None,
    ) -> Network:
        """Make a network unless it exists."""
        with self.called("ensure_network", name):
            if name not in self.host.networks:
                self.host.changed("ensure_network", name)
                self.host.make_network(name, labels, internal=internal, subnet=subnet)
            found = self.host.networks[name]
            if found.labels.get(naming.STACK) != labels.get(naming.STACK):
                taken = Named("network", name, found.labels)
                raise Conflict(taken.told, taken.hint)
            if found.internal is not internal:
                raise Conflict(f"network {name} is of the other kind")
            if subnet and found.subnet != subnet:
                raise Conflict(f"network `{name}` has the subnet {found.subnet}")
            return found

    def network(self, name: str) -> Network | None:
        """Return a network; None where there is none."""
        with self.called("network", name):
            found = self.host.networks.get(name)
            return found and replace(found, holders=self.host.holders(name))

    def connect(
        self,
        container: str,
        network: str,
        *,
        address: str | None = None,
        aliases: tuple[str, ...] = (),  # noqa: ARG002
    ) -> None:
        """Give a container an address in another network."""
        with self.called("connect", container):
            box = self.host.box(container)
            self.host.changed(f"connect to {network}", box.spec.name)
            self.host.join(box, network, address)

    def disconnect(self, container: str, network: str) -> None:
        """Take a container out of a network; one that is not in it is fine."""
        with self.called("disconnect", container):
            box = self.host.box(container)
            self.host.changed(f"disconnect from {network}", box.spec.name)
            box.fixed.pop(network, None)
            box.addresses.pop(network, None)

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a volume unless it exists."""
        with self.called("ensure_volume", name):
            if name not in self.host.disks:
                self.host.changed("ensure_volume", name)
                self.host.disks[name] = (Disk(), labels)
            found = Named("volume", name, self.host.disks[name][1])
            if found.owner not in ("", labels.get(naming.STACK)):
                raise Conflict(found.told, found.hint)

    def named(self, prefix: str) -> tuple[Named, ...]:
        """Return all whose names begin so, whoever's they are."""
        with self.called("named", prefix):
            boxes, networks = self.host.boxes.values(), self.host.networks.values()
            found = (
                *(Named("container", box.spec.name, box.spec.labels) for box in boxes),
                *(Named("network", one.name, one.labels) for one in networks),
                *(Named("volume", name, labels) for name, (_, labels) in self.host.disks.items()),
            )
            return tuple(one for one in found if one.name.startswith(prefix))

    def remove_network(self, name: str) -> None:
        """Remove a network; a missing one is fine."""
        with self.called("remove_network", name):
            if name in self.host.networks:
                self.host.changed("remove_network", name)
                del self.host.networks[name]

    def volumes(self, stack: str) -> tuple[str, ...]:
        """Return the names of a stack's volumes."""
        with self.called("volumes", stack):
            found = [
                n for n, (_, labels) in self.host.disks.items() if labels.get(naming.STACK) == stack
            ]
            return tuple(sorted(found))

    def remove_volume(self, name: str) -> None:
        """Remove a volume; a missing one is fine."""
        with self.called("remove_volume", name):
            if name in self.host.disks:
                disk = self.host.disks[name][0]
                if any(disk in box.disks.values() for box in self.host.boxes.values()):
                    raise Conflict(f"removing volume `{name}`: a container has it")
                self.host.changed("remove_volume", name)
                del self.host.disks[name]

    def hold(self, spec: ContainerSpec) -> Lease:
        """Take the lock of that name."""
        with self.called("hold", spec.name):
            left = self.host.find(spec.name)
            if left and left.state == "created" and self.host.age(left) >= STILLBORN:
                self.host.forget(left, data=True)
            box = self.host.create(spec)
            box.state = "running"
            return FakeLease(self.host, box.id)

    @contextmanager
    def called(self, method: str, subject: str) -> Iterator[None]:
        """Note a call, and let it go wrong where it should."""
        with self.host.guard:
            box = self.host.find(subject)
            call = Call(method, box.spec.name if box else subject)
            self.calls.append(call)
            fault = next((fault for fault in self.faults if fault.strikes(call)), None)
            if fault and not fault.late:
                fault.happen()
            try:
                yield
            finally:  # an answer that says no is one, too
                if fault and fault.late:
                    fault.happen()
