"""A container of the fake engine, from its creation to its removal."""

from __future__ import annotations

import ipaddress
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from orchestrator.engine.values import Container, ContainerSpec, Image, Output, Vitals
from orchestrator.errors import NotFound
from orchestrator.gateway.files import ASSETS
from orchestrator.gateway.shelf import PUBLISH, STORED, SWEEP
from orchestrator.stack import naming
from tests.fakes.disk import Disk, join

if TYPE_CHECKING:
    from datetime import datetime

    from tests.fakes.apps import App
    from tests.fakes.nginx import FakeNginx
    from tests.fakes.session import FakeSession

HEADER = "  sl  local_address rem_address   st"
ANYBODY = "00000000:0000"


@dataclass
class Box:
    """A container: what it was made from and what became of it."""

    id: str
    spec: ContainerSpec
    image: Image
    app: App
    disks: dict[str, Disk]  # by where they are mounted
    unnamed: dict[str, str]  # volumes that its image wanted and nobody has named, by where they are
    root: Disk = field(default_factory=Disk)
    state: str = "created"
    fixed: dict[str, str | None] = field(
        default_factory=dict
    )  # networks, and addresses that it keeps
    addresses: dict[str, str] = field(default_factory=dict)  # in each network; while it runs
    started: float = 0.0
    asked: int = 0  # how often its health was
    printed: list[tuple[float, str]] = field(default_factory=list)  # (Unix time, line)
    nginx: FakeNginx | None = None
    exit_code: int | None = None
    ended: int | None = None  # with which code, the last time
    persistent: bool = False
    restarts: int = 0
    beside: dict[str, FakeSession] = field(default_factory=dict)  # by a variable that it has

    def __post_init__(self) -> None:
        self.persistent = self.spec.persistent
        if self.spec.network is not None:
            self.fixed[self.spec.network] = self.spec.address
        if self.spec.edge is not None:
            self.fixed[self.spec.edge] = None
        self.fixed |= dict.fromkeys(self.spec.networks)
        for file in self.spec.files:
            path = file.path.strip("/")
            self.root.make(posixpath.dirname(path))
            self.root.put(path, file.content.decode())
        for name, text in self.app.files.items():
            self.root.make(posixpath.dirname(name))
            self.root.put(name, text)

    @property
    def address(self) -> str:
        """Return where it is in its first network."""
        return next(iter(self.addresses.values()), "")

    @property
    def crashed_state(self) -> str:
        """Return the state of a container whose process ended by itself."""
        return "restarting" if self.persistent else "exited"

    def begin(self) -> None:
        """Let its process run, to its end where it ends at once."""
        ends = 1 if self.app.crashes else self.app.ends
        self.state = "running" if ends is None else self.crashed_state
        self.exit_code = ends if self.state == "exited" else None
        self.ended = self.ended if ends is None else ends

    @property
    def version(self) -> str:
        """Return the version of the service that runs in it."""
        return self.spec.labels.get(naming.VERSION, "")

    def as_listed(self, now: float) -> Container:
        """Return it as the engine lists it."""
        running = self.state == "running"
        health = ""
        if running and self.spec.health is not None:
            health = "healthy" if now - self.started >= self.app.healthy_after else "starting"
        return Container(
            id=self.id,
            name=self.spec.name,
            image=self.image.id,
            state=self.state,
            labels=self.spec.labels,
            address=self.address if running else "",
            addresses=self.addresses if running else {n: a or "" for n, a in self.fixed.items()},
            health=health,
            exit_code=self.exit_code,
            unnamed=self.unnamed,
            doors=dict(self.spec.ports) if running and self.addresses else {},
        )

    def vitals(self, now: datetime) -> Vitals:
        """Return how it fares; its process uses a quarter of what it may."""
        running, limit = self.state == "running", self.spec.memory
        return Vitals(
            started=now.isoformat(),
            restarts=self.restarts,
            out_of_memory=self.app.out_of_memory,
            memory=limit // 4 if running else None,
            limit=limit,
        )

    def find(self, path: str) -> tuple[Disk, str]:
        """Return the disk that holds a path, and the path from its root."""
        for mount, disk in self.disks.items():
            if path == mount or path.startswith(f"{mount}/"):
                return disk, path[len(mount) :].strip("/")
        return self.root, path.strip("/")

    def read(self, path: str) -> str:
        """Return a text file."""
        disk, inside = self.find(path)
        return disk.read(inside)

    @property
    def doors(self) -> set[tuple[str, int]]:
        """Return where the host reaches its ports."""
        return {door.reachable for _, door in self.spec.ports}

    def listen_inside(self, request: httpx.Request) -> httpx.Response:
        """Answer who asks from inside of it: NGINX alone does."""
        if self.nginx is None or self.state != "running":
            raise httpx.ConnectError("connection refused", request=request)
        return self.nginx.answer(request)

    def command_line(self) -> str:
        """Return how its first process calls itself."""
        return " ".join((*self.spec.entrypoint, *self.spec.command)) or "app"

    def execute(self, argv: tuple[str, ...], sockets: str) -> Output:  # noqa: C901, PLR0911, PLR0912
        """Run one of the few commands that stackctl runs in containers."""
        match argv:
            case ("cat", "/proc/net/tcp", *_) if not self.app.bare:
                return Output(0, sockets)
            case ("sh", "-c", script, file) if "nginx -t" in script and self.nginx:
                fault = self.nginx.test(file)
                return Output(1 if fault else 0, fault)
            case ("sh", "-c", script, place, *name) if place.startswith(f"{ASSETS}/"):
                return self._shelve(script, place, *name)
            case ("sh", "-c", script, moves, _) if "rm -rf" in script:
                return self._sweep(moves)
            case ("sh", "-c", script, folder) if "lane.json" in script:
                return self._print_lanes(folder)
            case ("sh", "-c", script, folder) if "errors/*" in script:
                return self._sweep_supplies(folder)
            case ("sh", "-c", script, folder) if "key.pem" in script:
                return self._print_certificates(folder)
            case ("sh", "-c", script, _, mark, name) if "environ" in script and not self.app.bare:
                found = self.beside.get(mark)
                return Output(0, "7\n" if found and found.signal(name) else "")
            case ("find", place, "-type", "f", "-delete"):
                return self._empty(place)
            case ("rm", "-rf", "--", *paths):
                for path in paths:
                    disk, inside = self.find(path)
                    disk.remove(inside)
                return Output(0, "")
            case ("ls", folder) | ("ls", "-A", folder):
                return self._list(folder)
            case _:
                return Output(127, f"{argv[0]}: executable file not found in $PATH")

    def at_work(self) -> list[str]:
        """Return the programs beside its first process that have not ended."""
        return [session.program for session in self.beside.values() if not session.ended]

    def say(self, now: datetime, *lines: str) -> None:
        """Print lines."""
        self.printed += [(now.timestamp(), line) for line in lines]

    def listening(self, now: float) -> bool:
        """Whether its app takes connections."""
        return self.state == "running" and now - self.started >= self.app.ready_after

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder. Raises NotFound."""
        disk, inside = self.find(folder)
        return disk.names(inside)

    def _print_certificates(self, folder: str) -> Output:
        """Print the ids of those that are whole."""
        disk, inside = self.find(folder)
        try:
            found = disk.names(inside)
        except NotFound:
            return Output(0, "")
        whole = [one for one in found if disk.names(join(inside, one)) == ["chain.pem", "key.pem"]]
        return Output(0, "".join(f"{one}\n" for one in whole))

    def _shelve(self, script: str, place: str, name: str = "") -> Output:
        """List the contents of a service's assets, make an edition count, or remove the others."""
        disk, inside = self.find(place)
        now, printed = join(inside, "now"), ""
        if script == STORED:
            files = [path for path in disk.paths(inside) if path.startswith(f"{inside}/files/")]
            sizes = {posixpath.basename(path): len(disk.read(path).encode()) for path in files}
            printed = "".join(f"{size} ./{hashed}\n" for hashed, size in sizes.items())
        elif script == PUBLISH:
            disk.link(now, f"editions/{name}")
        elif script == SWEEP:
            editions = join(inside, "editions")
            folders = {path[len(editions) + 1 :].split("/")[0] for path in disk.paths(editions)}
            for one in folders - {(disk.target(now) or "").removeprefix("editions/")}:
                disk.remove(join(editions, one))
        return Output(0, printed)

    def _empty(self, place: str) -> Output:
        """Remove the files of a folder."""
        disk, inside = self.find(place)
        for path in disk.paths(inside):
            disk.remove(path)
        return Output(0, "")

    def _sweep(self, moves: str) -> Output:
        """Remove the moves that no link leads to."""
        disk, inside = self.find(moves)
        live = join(posixpath.dirname(inside), "live")
        for path in disk.paths(inside):
            service, *names = path[len(inside) :].strip("/").split("/")
            led_to = disk.target(join(live, service))
            if (
                led_to is not None
                and len(names) == 1
                and led_to != join("../moves", service, *names)
            ):
                disk.remove(path)
        return Output(0, "")

    def _sweep_supplies(self, folder: str) -> Output:
        """Remove the files that no config names, unless a worker of one before may read them."""
        titles = self.nginx.processes().values() if self.nginx else ()
        if any("shutting down" in title for title in titles):
            return Output(0, "")
        disk, inside = self.find(folder)
        configs = [disk.read(path) for path in disk.paths(inside) if path.endswith("nginx.conf")]
        for place in ("users", "errors"):
            for path in disk.paths(join(inside, place) if inside else place):
                identity = posixpath.basename(path).removesuffix(".html")
                if not any(identity in text for text in configs):
                    disk.remove(path)
        return Output(0, "")

    def _print_lanes(self, folder: str) -> Output:
        disk, inside = self.find(folder)
        files = [path for path in disk.paths(inside) if posixpath.basename(path) == "lane.json"]
        return Output(0, "".join(f"lane {disk.read(file)}" for file in files))

    def _list(self, folder: str) -> Output:
        disk, inside = self.find(folder)
        try:
            return Output(0, "\n".join(disk.names(inside)))
        except NotFound as error:
            return Output(2, error.message)


def socket_table(rows: list[tuple[str, str, str]]) -> str:
    """Return `/proc/net/tcp` with rows of local address, remote address and state."""
    lines = [f"{n:4}: {local} {remote} {state}" for n, (local, remote, state) in enumerate(rows)]
    return "\n".join([HEADER, *lines])


def kernel_form(address: str, port: int) -> str:
    """Write an address as `/proc/net/tcp` and `tcp6` do."""
    packed = ipaddress.ip_address(address).packed
    words = [packed[at : at + 4][::-1].hex().upper() for at in range(0, len(packed), 4)]
    return f"{''.join(words)}:{port:04X}"
