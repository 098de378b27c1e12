"""Where clients come by TLS and HTTP/2: a gateway with a door of its own, and two that share one."""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx

from orchestrator.gateway.admin import TLS_PORT
from orchestrator.stack import naming
from tests.e2e.operator import Operator, describe_app
from tests.e2e.shared import DOOR, is_door_there, remove_door
from tests.fakes.authority import Authority
from tests.hostile.honest import PATIENCE, PAUSE, Users
from tests.hostile.trial import Scene
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.hostile.honest import Habit

TAKEN = "somebody has the shared door of this engine, which has one"
OWN, SHARED = "at a door of its own", "at the shared door"
ATTACKED, NEIGHBOUR = "shop.example", "blog.example"


class House:
    """A stack with TLS for a host."""

    def __init__(self, folder: Path, host: str, authority: Authority) -> None:
        self.operator = Operator(folder, f"h{secrets.token_hex(3)}")
        self.host = host
        self.keys = authority.issue(host).write(folder, "door")

    def write(self, listen: int, tls: int, *, shares: bool) -> None:
        """Write stack.yaml, with a door at these ports."""
        app = describe_app("/") | {"hosts": [self.host]}
        self.operator.write_services({"app": app})
        stack = self.operator.read()
        gateway, doors = stack["gateway"], (f"0.0.0.0:{listen}", f"0.0.0.0:{tls}")
        gateway["tls"] = {"certificates": [self.keys], "redirect": False}
        if shares:
            del gateway["listen"]
            gateway["door"] = dict(zip(("listen", "tls"), doors, strict=True))
        else:
            gateway["listen"], gateway["tls"]["listen"] = doors
        self.operator.write(stack)


class Visitors(Users):
    """Users of some hosts behind one address: by TLS or without, and by HTTP/2 on kept connections."""

    def __init__(self, hosts: tuple[str, ...], listen: int, tls: int, root: Path) -> None:
        self._listen, self._tls = listen, tls
        self._root = str(root)
        self._trust = ssl.create_default_context(cafile=self._root)
        habits: list[Habit] = []
        for host in hosts:
            habits += [
                (8, PAUSE, f"{host} by TLS", partial(self._ask, host, secure=True)),
                (4, PAUSE, f"{host} without", partial(self._ask, host, secure=False)),
                *((1, PAUSE, f"{host} by HTTP/2", self._browse(host)) for _ in range(8)),
            ]
        super().__init__(habits)

    def _ask(self, host: str, *, secure: bool) -> None:
        port = self._tls if secure else self._listen
        wire = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        with closing(wire):
            wire.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            if secure:
                wire.sock = self._trust.wrap_socket(wire.sock, server_hostname=host)
            wire.request("GET", "/")
            status = wire.getresponse().status
        assert status == 200, status

    def _browse(self, host: str) -> Callable[[], None]:
        trust = ssl.create_default_context(cafile=self._root)
        client = httpx.Client(http1=False, http2=True, verify=trust, timeout=PATIENCE)
        url, told = f"https://127.0.0.1:{self._tls}/", {"sni_hostname": host}

        def browse() -> None:
            try:
                answer = client.get(url, headers={"Host": host}, extensions=told)
            except httpx.HTTPError as error:
                raise OSError(str(error) or type(error).__name__) from error
            assert answer.status_code == 200, answer.status_code

        return browse


@contextmanager
def building(*hosts: str, shares: bool) -> Iterator[Callable[[], Scene]]:
    """Bring up a stack for each host; give a function that has new users come. Leaves nothing."""
    listen, tls = free_port(), free_port()
    authority = Authority(datetime.now(UTC))
    with ExitStack() as left:
        folders = [left.enter_context(TemporaryDirectory(prefix="stackctl-h-")) for _ in hosts]
        houses = [House(Path(f), h, authority) for f, h in zip(folders, hosts, strict=True)]
        if shares:
            assert not is_door_there(), TAKEN
            left.callback(remove_door)
        for house in houses:
            left.callback(house.operator.remove_everything)
            house.write(listen, tls, shares=shares)
            house.operator.up()
        root = Path(folders[0]) / "root.pem"
        root.write_bytes(authority.root.pem)
        attacked = houses[0].operator
        own = tuple(f"{house.operator.name}-gateway" for house in houses)

        def open_scene() -> Scene:
            return Scene(
                attacked,
                (DOOR, *own) if shares else own,
                naming.edge_name(naming.SHARED) if shares else f"{attacked.name}-net",
                TLS_PORT,
                tls,
                hosts[0],
                Visitors(hosts, listen, tls, root),
                SHARED if shares else OWN,
            )

        yield open_scene
