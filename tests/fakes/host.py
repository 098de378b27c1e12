"""The machine that a fake engine runs on: its containers, volumes and networks, and their state.

Time passes only on the clock that it was given. How programs and NGINX behave is told as data.
"""

from __future__ import annotations

import ipaddress
import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import httpx

from orchestrator.engine.files_volume import HOLD, name_files_volume
from orchestrator.engine.values import Network
from orchestrator.errors import Conflict, EngineError, NotFound
from orchestrator.gateway.admin import PUBLIC_PORT
from orchestrator.gateway.shared import parse_door
from orchestrator.sockets import ESTABLISHED, LISTENING
from orchestrator.stack import naming
from tests.fakes.apps import App
from tests.fakes.box import ANYBODY, Box, kernel_form, socket_table
from tests.fakes.disk import Disk
from tests.fakes.images import FakeImages
from tests.fakes.nginx import FakeNginx, Files, NginxHabits, Reach, Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.clock import Clock
    from orchestrator.engine.values import ContainerSpec


class Change(NamedTuple):
    """Something that is not as it was before."""

    what: str
    subject: str


@dataclass
class FakeHost:
    """The world behind a FakeEngine."""

    clock: Clock
    shelf: FakeImages = field(default_factory=FakeImages)
    apps: dict[str, App] = field(default_factory=dict)  # by version, image or program
    habits: NginxHabits = field(default_factory=NginxHabits)
    taken_ports: set[int] = field(default_factory=set)  # by somebody else
    boxes: dict[str, Box] = field(default_factory=dict)  # by container id
    disks: dict[str, tuple[Disk, Mapping[str, str]]] = field(default_factory=dict)  # by volume
    networks: dict[str, Network] = field(default_factory=dict)  # by name
    changes: list[Change] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)  # containers that ended while users were on them
    elsewhere: bool = False  # whoever asks the gateway is on another machine's loopback
    proxy_died: bool = False  # nothing on the host itself reaches the public door, until a restart
    blocked: bool = False  # nor does anybody else, whatever is restarted
    memory: int = 64 * 1024**3  # bytes; 0: it does not say
    foreign: set[str] = field(default_factory=set)  # addresses that this machine does not have
    silent: int = 0  # so many of the next requests to the admin listener get no answer

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._subnets = itertools.count(10)
        self._born: dict[str, float] = {}  # by container id
        self.guard = threading.RLock()

    def find(self, container: str) -> Box | None:
        """Return a container by its id or name."""
        by_name = (box for box in self.boxes.values() if box.spec.name == container)
        return self.boxes.get(container) or next(by_name, None)

    def box(self, container: str) -> Box:
        """Return a container that must be there."""
        box = self.find(container)
        if box is None:
            raise NotFound(f"no such container: {container}")
        return box

    def running(self, container: str) -> Box:
        """Return a container that must run."""
        box = self.box(container)
        if box.state != "running":
            raise Conflict(f"container {box.spec.name} is not running")
        return box

    def create(self, spec: ContainerSpec) -> Box:
        """Make a container."""
        if self.find(spec.name):
            raise Conflict(f"the name {spec.name} is in use")
        image = self.shelf.find(spec.image)
        for network in spec.networks:
            if network not in self.networks:
                raise NotFound(f"network {network} not found")
        self.changed("create", spec.name)
        program = (*spec.entrypoint, *spec.command)[:1]
        migrates = spec.labels.get(naming.ROLE) == "migration"
        build = () if migrates else (image.labels.get(naming.VERSION, ""), *image.tags)
        keys = (*program, *build)
        disks = {
            volume.path: self.disks.setdefault(volume.name, (Disk(), {}))[0]
            for volume in spec.volumes
        }
        unnamed = {path: f"{next(self._numbers):064x}" for path in image.uncovered(spec)}
        for path, name in unnamed.items():
            disks[path] = self.disks.setdefault(name, (Disk(), {}))[0]
        files = name_files_volume(spec)
        if files is not None:
            labels = {naming.STACK: spec.labels[naming.STACK]}
            disks[HOLD] = self.disks.setdefault(files, (Disk(), labels))[0]
        usual = App(ends=0) if migrates else App()
        app = next((self.apps[key] for key in keys if key in self.apps), usual)
        box = Box(f"{next(self._numbers):064x}", spec, image, app, disks, unnamed)
        self.boxes[box.id] = box
        self._born[box.id] = self.clock.monotonic()
        return box

    def age(self, box: Box) -> float:
        """Return how many seconds ago a container was made."""
        return self.clock.monotonic() - self._born[box.id]

    def start(self, box: Box) -> None:
        """Let a container run; NGINX without a good config ends at once."""
        spec = box.spec
        for network, address in box.fixed.items():
            if network not in self.networks:
                raise NotFound(f"network {network} not found")
            self.require_inside(network, address)
            holder = self.holders(network).get(address or "")
            if holder is not None:
                raise EngineError(f"the address {address} of a replica is taken by `{holder}`")
        taken = self.taken_ports.union(
            *(other.as_listed(0).published for other in self.boxes.values())
        )
        for _, door in spec.ports:
            if door.port in taken:
                raise EngineError(f"`{door}` is taken by somebody else")
        self.changed("start", spec.name)
        self.proxy_died = self.proxy_died and not spec.ports
        box.addresses = {name: address or self.pick(name) for name, address in box.fixed.items()}
        box.started, box.asked = self.clock.monotonic(), 0
        box.say(self.clock.now(), *box.app.prints)
        box.begin()
        if "nginx" in spec.entrypoint:
            files, reach = Files(box.read, box.names), Reach(self._ask, self._unfinished)
            box.nginx = FakeNginx(self.habits, self.clock, files, reach, self._numbers)
            if not box.nginx.start(spec.command[-1]):
                box.say(self.clock.now(), *box.nginx.said)
                box.state, box.nginx = box.crashed_state, None

    def holders(self, network: str) -> dict[str, str]:
        """Return the names of the containers that run in a network, by their addresses."""
        return {
            box.addresses[network]: box.spec.name
            for box in self.boxes.values()
            if box.state == "running" and network in box.addresses
        }

    def make_network(
        self, name: str, labels: Mapping[str, str], *, internal: bool, subnet: str | None
    ) -> None:
        """Make a network, of which the engine gives out the last quarter."""
        chosen = ipaddress.IPv4Network(subnet or f"10.{next(self._subnets)}.0.0/24")
        *_, last = chosen.subnets(prefixlen_diff=2)
        gateway = str(chosen.broadcast_address - 1)
        self.networks[name] = Network(name, labels, internal, str(chosen), str(last), gateway)

    def join(self, box: Box, network: str, address: str | None) -> None:
        """Take a container into another network. Raises Conflict, NotFound."""
        if network not in self.networks:
            raise NotFound(f"network {network} not found")
        if network in box.fixed:
            raise Conflict(f"container {box.spec.name} is in network {network} already")
        self.require_inside(network, address)
        if address in self.holders(network):
            raise EngineError(f"the address {address} is taken")
        box.fixed[network] = address
        if box.state == "running":
            box.addresses[network] = address or self.pick(network)

    def require_inside(self, network: str, address: str | None) -> None:
        """Raise EngineError where a fixed address is none of a network's."""
        subnet = ipaddress.IPv4Network(self.networks[network].subnet)
        if address is not None and ipaddress.IPv4Address(address) not in subnet:
            raise EngineError(f"the address {address} does not belong to `{network}`")

    def pick(self, network: str) -> str:
        """Return an address of the engine's own that nobody has."""
        pool = ipaddress.IPv4Network(self.networks[network].pool).hosts()
        taken = self.holders(network)
        return next(address for address in map(str, pool) if address not in taken)

    @property
    def nginx(self) -> FakeNginx | None:
        """Return the NGINX of the stack that runs; of several, the first one's."""
        return next((box.nginx for box in self._gateways()), None)

    def _gateways(self) -> Iterator[Box]:
        """Yield the containers with a running NGINX, but for the door that stacks share."""
        for box in self.boxes.values():
            if box.nginx and box.spec.labels[naming.STACK] != naming.SHARED:
                yield box

    def _find_gateway(self, request: httpx.Request) -> Box | None:
        """Return the gateway at whose own port a request comes; where there is none, the first one."""
        where = (request.url.host, request.url.port or 80)
        own = [box for box in self._gateways() if where in box.doors]
        return next(iter(own), None) or next(self._gateways(), None)

    def _is_shared(self, request: httpx.Request) -> bool:
        """Whether a request comes to the door that stacks share."""
        where = (request.url.host, request.url.port or 80)
        return (
            self.shared is not None and self.shared.nginx is not None and where in self.shared.doors
        )

    def _pass_on(self, request: httpx.Request) -> httpx.Response:
        """Answer as the shared door does: by the gateway whose stack has the host."""
        served = parse_door(self.shared.nginx.text) if self.shared and self.shared.nginx else None
        parts = served.parts.values() if served else ()
        hosts = {host: part.address for part in parts for host in part.hosts}
        address = hosts.get(request.headers["Host"])
        if address is None:
            return httpx.Response(404)
        found = [box.nginx for box in self._gateways() if address in box.addresses.values()]
        return found[0].answer(request) if found and found[0] else httpx.Response(502)

    @property
    def shared(self) -> Box | None:
        """Return the door that stacks share."""
        return self.find(f"{naming.SHARED}-gateway")

    def lose_connections(self) -> None:
        """Do as an engine does that restarts: all locks are gone."""
        for box in [
            b for b in self.boxes.values() if b.spec.labels.get(naming.ROLE) in ("lock", "job")
        ]:
            self.forget(box, data=True)

    def listen(self, request: httpx.Request) -> httpx.Response:
        """Answer for the gateway's two listeners: what `ask_by` asks."""
        with self.guard:
            if self._is_shared(request):
                return self._pass_on(request)
            box = self._find_gateway(request)
            asks_door = "X-Stackctl-Witness" in request.headers
            if box is not None and asks_door and not self._leads_in(box, request):
                raise httpx.ConnectError("connection refused", request=request)
            if box is not None and not box.addresses:
                raise httpx.ConnectError("connection refused", request=request)
            if self.silent and not self.elsewhere:
                self.silent -= 1
                raise httpx.ReadTimeout("it is busy", request=request)
            if not self.elsewhere and box is not None and box.nginx is not None:
                return box.nginx.answer(request)
        raise httpx.ConnectError("connection refused", request=request)

    def has(self, host: str) -> bool:
        """Whether this machine has an address."""
        return host not in self.foreign

    def _leads_in(self, box: Box, request: httpx.Request) -> bool:
        """Whether a question gets to the gateway's public listener."""
        where = (request.url.host, request.url.port or 80)
        if where[0] in box.addresses.values():
            return where[1] == PUBLIC_PORT and not self.habits.deaf
        door = next((door for inside, door in box.spec.ports if inside == PUBLIC_PORT), None)
        if door is None or not box.addresses or self.blocked or self.habits.deaf:
            return False
        if where == door.reachable:
            return not self.proxy_died and self.has(door.host)
        hosts = {network.gateway for network in self.networks.values()}
        return door.everywhere and where[0] in hosts and where[1] == door.port

    def serving(self, service: str) -> set[str]:
        """Return the versions that users of a service get from NGINX at this moment."""
        servers = self.nginx.serving(service) if self.nginx else []
        now = self.clock.monotonic()
        return {box.version for box in self._behind(servers) if box.listening(now)}

    def sockets(self, box: Box) -> str:
        """Return the connections of the gateway, or what another container listens on."""
        if box.nginx is None:
            here = kernel_form(box.app.listens, box.app.port)
            up = box.listening(self.clock.monotonic()) and box.spec.entrypoint[:1] != ("sleep",)
            return socket_table([(here, ANYBODY, LISTENING)] if up else [])
        known = self._behind(box.nginx.reachable())  # a connection ends with its worker
        kept = [other for other in known if self._clings(other)]
        mine = kernel_form(box.address, 40000)
        doors = [(kernel_form("0.0.0.0", port), ANYBODY, LISTENING) for port, _ in box.spec.ports]
        calls = [(mine, kernel_form(b.address, b.app.port), ESTABLISHED) for b in kept if b.address]
        return socket_table(doors + calls)

    def changed(self, what: str, subject: str) -> None:
        """Note a change."""
        self.changes.append(Change(what, subject))

    def forget(self, box: Box, *, data: bool) -> None:
        """Have a container no more, and with `data` none of its volumes without a name."""
        del self.boxes[box.id]
        for name in box.unnamed.values() if data else ():
            del self.disks[name]

    def end(self, what: str, box: Box, *, data: bool = False) -> None:
        """Stop or remove a container; one that NGINX may still send users to takes them along."""
        self.changed(what, box.spec.name)
        nginx = self.nginx
        if nginx is not None and box.state == "running" and box in self._behind(nginx.reachable()):
            self.cut.append(box.spec.name)
        box.say(self.clock.now(), *box.app.last_words)
        box.state, box.nginx = "exited", None
        if what == "remove":
            self.forget(box, data=data)

    def _ask(self, address: str, port: int) -> tuple[int, str] | None:
        """Ask a container for its health, as NGINX does; None where nobody listens."""
        box = next(iter(self._behind([(address, port)])), None)
        now = self.clock.monotonic()
        if box is None or not box.listening(now) or not box.app.takes(port):
            return None
        box.asked += 1
        return box.app.health(box.version, now - box.started, box.asked)

    def _unfinished(self, servers: Iterable[Server]) -> bool:
        """Whether somebody waits for an answer of one of these."""
        wanted = {address for address, _ in servers}
        return any(box.spec.address in wanted and self._clings(box) for box in self.boxes.values())

    def _clings(self, box: Box) -> bool:
        return self.clock.monotonic() < self.habits.clings_to.get(box.version, 0)

    def _behind(self, servers: Iterable[Server]) -> list[Box]:
        """Return the running containers at these addresses."""
        wanted = {address for address, _ in servers}
        return [
            box
            for box in self.boxes.values()
            if box.state == "running" and wanted & set(box.addresses.values())
        ]
