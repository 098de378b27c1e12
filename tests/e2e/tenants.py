"""Stacks behind the door that all stacks of an engine share, as their operators and clients know them."""

from __future__ import annotations

import http.client
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.asking import ask_once
from tests.e2e.operator import Operator, describe_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.asking import Answer
    from tests.e2e.tls import Door


@dataclass
class Tenant:
    """A stack behind the shared door."""

    operator: Operator
    host: str
    ports: tuple[int, int]
    secured: Door | None = None
    acme: Mapping[str, object] | None = None  # who issues its certificates, where files do not
    address: str = "127.0.0.1"  # at which the door is

    @property
    def door(self) -> Door:
        """Return its way in by TLS."""
        assert self.secured is not None
        return self.secured

    def write(self, *hosts: str, **service: object) -> None:
        """Write stack.yaml: an app for its host, or for others."""
        listen, tls = self.ports
        app = describe_app("/") | {"replicas": 1, "hosts": list(hosts or (self.host,)), **service}
        self.operator.write_services({"app": app})
        stack = self.operator.read()
        del stack["gateway"]["listen"]
        stack["gateway"]["door"] = {
            "listen": f"{self.address}:{listen}",
            "tls": f"{self.address}:{tls}",
        }
        if self.secured:
            keys = self.secured.keys(redirect=False)
            stack["gateway"]["tls"] = {key: keys[key] for key in keys if key != "listen"}
        if self.acme:
            stack["gateway"]["tls"] = {"acme": dict(self.acme), "redirect": False}
        self.operator.write(stack)

    def ask(self, path: str = "/", host: str = "", **how: Any) -> Answer:
        """Ask at the door, by this stack's host or another one. Raises Unanswered."""
        where = (self.address, self.ports[0])
        return ask_once(where, path, 30, headers={"Host": host or self.host}, **how)

    def serving(self) -> str:
        """Return the version that users get, or the status of what they get instead."""
        answer = self.ask()
        return str(answer.json()["version"]) if answer.good else str(answer.status)


@dataclass
class Visits:
    """What a user got who keeps a connection."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def strict_user(tenant: Tenant) -> Iterator[Visits]:
    """Ask again and again by HTTP/1.1 on kept connections: each request counts, and none is repeated."""
    visits, over = Visits(), threading.Event()

    def come() -> None:
        while not over.is_set():
            with closing(
                http.client.HTTPConnection(tenant.address, tenant.ports[0], timeout=30)
            ) as to:
                try:
                    while not over.is_set():
                        to.request("POST", "/", body=b"{}", headers={"Host": tenant.host})
                        answer = to.getresponse()
                        answer.read()
                        if answer.status != 200:
                            visits.failed.append(str(answer.status))
                        visits.answered += 1
                        if answer.headers["Connection"] == "close":
                            break
                except (OSError, http.client.HTTPException) as error:
                    visits.failed.append(repr(error))

    thread = threading.Thread(target=come)
    thread.start()
    try:
        yield visits
    finally:
        over.set()
        thread.join()
