"""How NGINX comes to serve a config: stage, test, swap, reload, confirm, and restore on failure.

A config is a folder in the gateway's volume; `current` is a link to the one that serves. The link
is replaced by a rename, so whenever NGINX (re)starts it finds a whole, tested config.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.clock import Clock, poll
from orchestrator.errors import GatewayError, NotFound, StackctlError, UnsafeError
from orchestrator.gateway.workers import (
    SOCKETS,
    Workers,
    count_connections,
    parse_workers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from orchestrator.engine.base import Container, Engine
    from orchestrator.gateway.admin import Admin
    from orchestrator.gateway.routing import Routing

FOLDER = "/etc/stackctl"
CURRENT = f"{FOLDER}/current/nginx.conf"
RELOAD_PATIENCE = 10.0  # seconds until a reload must be in effect
CONFIRM_EVERY = 0.02
DRAIN_EVERY = 0.1
DRAIN_MARGIN = 5.0  # seconds beyond worker_shutdown_timeout for the last worker to leave


@dataclass(frozen=True)
class Config:
    """The text of nginx.conf for one routing."""

    routing: Routing
    text: str

    @property
    def folder(self) -> str:
        """Where it lies in the gateway's volume."""
        return f"{FOLDER}/{self.routing.id}"


@dataclass(frozen=True)
class Drained:
    """How the old generation of workers went."""

    seconds: float
    workers: int  # that were leaving when the drain began
    cut: int  # connections to the old color that were still open when time ran out


class Gateway:
    """The NGINX container of a stack."""

    def __init__(self, engine: Engine, container: Container, admin: Admin, clock: Clock) -> None:
        self._engine = engine
        self._id = container.id
        self._admin = admin
        self._clock = clock

    def served(self) -> str:
        """Return the config that serves, as text; empty where there is none yet."""
        try:
            return self._engine.read(self._id, CURRENT)
        except NotFound:
            return ""

    def stage(self, config: Config) -> None:
        """Put a config beside the one that serves and have NGINX test it. Changes nothing else.

        Raises GatewayError with NGINX's own words.
        """
        self._engine.write(self._id, FOLDER, pack(config))
        tested = self._engine.execute(
            self._id, ("nginx", "-t", "-c", f"{config.folder}/nginx.conf")
        )
        if tested.exit_code != 0:
            self.discard([config.routing.id])
            raise GatewayError(
                f"NGINX refuses the config of `{config.routing.id}`: {tested.text.strip()}",
                "the config that served still serves; `stackctl render` prints the new one",
            )

    def reload(self, config: Config) -> None:
        """Make a staged config the current one and tell NGINX; `confirm` proves that it took it."""
        self._reload(config.routing.id)

    def confirm(self, config: Config, outdated: Collection[int]) -> None:
        """Return once fresh connections get this config and no outdated worker accepts any.

        Raises GatewayError where that does not come to pass.
        """
        self._confirm(config.routing.id, outdated)

    def restore(self, identity: str, known: Workers) -> None:
        """Make an earlier config serve again; workers that are not `known` must leave.

        Raises UnsafeError where that cannot be proven.
        """
        newer = self.workers().accepting - known.accepting
        try:
            self._reload(identity)
            self._confirm(identity, newer)
        except StackctlError as error:
            raise UnsafeError(
                f"the config of `{identity}` could not be restored: {error.message}",
                "look at the gateway now: `stackctl status`, `stackctl logs gateway`",
            ) from error

    def workers(self) -> Workers:
        """Return the workers as they are now."""
        return parse_workers(self._engine.processes(self._id))

    def drain(self, addresses: Collection[str], port: int, within: float) -> Drained:
        """Wait until no worker of an older config lives and no connection to the old color is open.

        NGINX itself ends old workers after `within` seconds (`worker_shutdown_timeout`).
        """
        started = self._clock.monotonic()
        leaving = len(self.workers().leaving)

        def gone() -> bool | None:
            return (not self.workers().leaving and not self._open_to(addresses, port)) or None

        done = poll(gone, clock=self._clock, every=DRAIN_EVERY, within=within + DRAIN_MARGIN)
        cut = 0 if done else self._open_to(addresses, port)
        return Drained(self._clock.monotonic() - started, leaving, cut)

    def discard(self, identities: Collection[str]) -> None:
        """Remove configs that do not serve."""
        folders = tuple(f"{FOLDER}/{identity}" for identity in identities)
        if folders:
            self._engine.execute(self._id, ("rm", "-rf", "--", *folders), user="0")

    def stored(self) -> tuple[str, ...]:
        """Return the ids of all configs in the volume."""
        listed = self._engine.execute(self._id, ("ls", FOLDER))
        return tuple(name for name in listed.text.split() if name not in ("current", "next"))

    def _reload(self, identity: str) -> None:
        self._engine.write(self._id, FOLDER, pack_link("next", identity))
        swapped = self._engine.execute(
            self._id, ("mv", "-T", f"{FOLDER}/next", f"{FOLDER}/current"), user="0"
        )
        if swapped.exit_code != 0:
            raise GatewayError(f"the config link could not be moved: {swapped.text.strip()}")
        self._engine.signal(self._id, "HUP")

    def _confirm(self, identity: str, outdated: Collection[int]) -> None:
        def in_effect() -> bool | None:
            routing = self._admin.routing()
            if routing is None or routing.id != identity:
                return None
            return not (self.workers().accepting & frozenset(outdated)) or None

        if not poll(in_effect, clock=self._clock, every=CONFIRM_EVERY, within=RELOAD_PATIENCE):
            raise GatewayError(
                f"NGINX does not serve the config of `{identity}` {RELOAD_PATIENCE:g} s after the reload",
                "see why: `stackctl logs gateway`",
            )

    def _open_to(self, addresses: Collection[str], port: int) -> int:
        sockets = self._engine.execute(self._id, SOCKETS)
        return count_connections(sockets.text, addresses, port)


def pack(config: Config) -> bytes:
    """Return a tar archive with the config in its folder."""

    def fill(archive: tarfile.TarFile) -> None:
        folder = tarfile.TarInfo(config.routing.id)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        content = config.text.encode()
        file = tarfile.TarInfo(f"{config.routing.id}/nginx.conf")
        file.size, file.mode = len(content), 0o644
        archive.addfile(file, io.BytesIO(content))

    return _tar(fill)


def pack_link(name: str, target: str) -> bytes:
    """Return a tar archive with a symbolic link only."""
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, target
    return _tar(lambda archive: archive.addfile(link))


def _tar(fill: Callable[[tarfile.TarFile], None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        fill(archive)
    return buffer.getvalue()
