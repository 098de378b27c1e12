"""A whole house on fakes: one stack, its engine, its NGINX and its time, in an operator's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from orchestrator.events import Event, PhaseBegan, PhaseEnded, Started
from orchestrator.gateway.admin import Admin
from orchestrator.gateway.files import CONFIGS
from orchestrator.lifecycle.removal import prune, take_down
from orchestrator.lifecycle.status import Status, read_status
from orchestrator.lifecycle.up import Convergence, bring_up
from orchestrator.release.house import House
from orchestrator.release.plan import Order
from orchestrator.release.repetition import restart, scale
from orchestrator.release.rollout import deploy, rollback
from orchestrator.stack.model import Stack
from tests.fakes.apps import App
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine
from tests.fakes.host import FakeHost
from tests.fakes.images import FakeImages
from tests.fakes.issuer import Issuer
from tests.fakes.way_in import WayIn
from tests.fakes.wire import ask_by

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.lifecycle.removal import Removed
    from orchestrator.release.phases import Phase
    from orchestrator.release.result import Result
    from orchestrator.stack.vault import Vault

DOCKERFILE = "FROM python:3.13-slim\nUSER 10001\n"
MONGO = {"image": "mongo:8", "port": 27017, "volumes": ["data:/data/db"]}
HEALTH = {"interval": "100ms", "successes": 2, "deadline": "5s"}
NOTES: dict[str, Any] = {
    "build": "notes",
    "port": 8000,
    "replicas": 2,
    "health": HEALTH,
    "migrate": ["migrate"],
}


class World:
    """What a test sets up, acts on and looks at.

    The stack has one service, `notes`, of two replicas. It has no routes: the witness would talk
    to a public listener, and there is none. `document` is stack.yaml, to be changed at will.
    """

    def __init__(self, folder: Path, **document: Any) -> None:
        self.folder = folder
        self.document: dict[str, Any] = {
            "version": 1,
            "name": "shop",
            "gateway": {"image": "nginx:1.30", "drain_timeout": "5s"},
            "services": {"notes": dict(NOTES)},
            **document,
        }
        self.clock = FakeClock()
        shelf = FakeImages("python:3.13-slim", "nginx:1.30", "mongo:8")
        self.host = FakeHost(self.clock, shelf)
        self.engine = FakeEngine(self.host)
        self.variables: dict[str, str] = {}
        self.vault: Vault | None = None
        self.kept_in: Path | None = None
        self.issuer = Issuer(self.clock)  # whom the stack asks for certificates
        self.events: list[Event] = []
        self.hooks: list[Callable[[Event], object]] = []
        (folder / "notes").mkdir()
        (folder / "notes" / "Dockerfile").write_text(DOCKERFILE)

    @property
    def notes(self) -> dict[str, Any]:
        """What stack.yaml says of `notes`."""
        service: dict[str, Any] = self.document["services"]["notes"]
        return service

    @property
    def house(self) -> House:
        """The house as a command opens it, with stack.yaml as it is now."""
        stack = Stack.model_validate(self.document)
        return House(
            stack=stack,
            folder=self.folder,
            engine=self.engine,
            admin=Admin(
                stack.gateway.admin,
                stack.gateway.listen,
                ask_by(self.host.listen),
                self.host.has,
                outside=WayIn(stack, ask_by(self.host.listen)) if stack.gateway.door else None,
            ),
            clock=self.clock,
            emit=self._emit,
            variables=self.variables,
            vault=self.vault,
            kept_in=self.kept_in,
            ask_inside=lambda _, container: ask_by(self.host.box(container).listen_inside),
            open_authority=self.issuer.open,
        )

    def begin(self) -> Self:
        """Bring it up, and forget how that went."""
        self.up()
        self.changes()
        self.events.clear()
        return self

    def up(self, *, allow_downtime: bool = False) -> Convergence:
        """Run `stackctl up`."""
        return bring_up(self.house, allow_downtime=allow_downtime)

    def deploy(self, version: str, *, build: bool = True) -> Result:
        """Run `stackctl deploy notes`."""
        return deploy(self.house, Order("notes", version, build=build))

    def rollback(self, version: str | None = None) -> Result:
        """Run `stackctl rollback notes`."""
        return rollback(self.house, "notes", version)

    def restart(self, service: str = "notes") -> Result:
        """Run `stackctl restart`."""
        return restart(self.house, service)

    def scale(self, replicas: int, service: str = "notes") -> Result:
        """Run `stackctl scale`."""
        return scale(self.house, service, replicas)

    def take_down(self, *, volumes: bool = False) -> Removed:
        """Run `stackctl down`."""
        return take_down(self.house, volumes=volumes)

    def prune(self, keep: int = 5) -> Removed:
        """Run `stackctl prune`."""
        return prune(self.house, keep=keep)

    def status(self) -> Status:
        """Run `stackctl status`."""
        return read_status(self.house)

    def evidence(self, result: Result) -> Any:
        """Return what a release has left as evidence.json."""
        assert result.evidence is not None
        return self.evidence_of(result.release)

    def evidence_of(self, release: str) -> Any:
        """Return the evidence.json of a release by its name."""
        return json.loads((self.house.releases / release / "evidence.json").read_text())

    def serving(self, service: str = "notes") -> set[str]:
        """Return the versions that users get."""
        return self.host.serving(service)

    def states(self) -> dict[str, str]:
        """Return the state of every container by its name, without the stack's."""
        return {box.spec.name.removeprefix("shop-"): box.state for box in self.host.boxes.values()}

    def stored_configs(self) -> tuple[str, ...]:
        """Return the ids of all configs in the gateway's volume."""
        gateway = self.host.box("shop-gateway")
        return tuple(self.engine.execute(gateway.id, ("ls", CONFIGS)).text.split())

    def changes(self) -> list[tuple[str, str]]:
        """Return what was changed on the engine since the last call; the lock does not count."""
        found = [
            (change.what, change.subject.removeprefix("shop-"))
            for change in self.host.changes
            if change.subject != "shop-lock"
        ]
        self.host.changes.clear()
        return found

    def on_start(self, act: Callable[[], object]) -> None:
        """Let something happen when a release has its lock."""
        self.hooks.append(lambda event: act() if isinstance(event, Started) else None)

    def on_begin(self, phase: Phase, act: Callable[[], object]) -> None:
        """Let something happen in the moment that a phase begins."""
        self.hooks.append(
            lambda event: act() if isinstance(event, PhaseBegan) and event.phase == phase else None
        )

    def on_end(self, phase: Phase, act: Callable[[], object]) -> None:
        """Let something happen in the moment that a phase has done its work."""
        self.hooks.append(
            lambda event: act() if isinstance(event, PhaseEnded) and event.phase == phase else None
        )

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        for hook in self.hooks:
            hook(event)


def open_pair(folder: Path) -> World:
    """Return a stack of two services, of which `web` needs `notes`, and a database; nothing runs."""
    services = {"web": {**NOTES, "needs": ["notes"], "replicas": 1}, "notes": dict(NOTES)}
    world = World(folder, services=services, accessories={"db": dict(MONGO)})
    world.host.apps["mongo:8"] = App(port=27017, ready_after=3.0)
    return world
