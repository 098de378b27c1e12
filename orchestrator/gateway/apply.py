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
from orchestrator.errors import EngineError, GatewayError, StackctlError, UnsafeError
from orchestrator.gateway.admission import ADMIT
from orchestrator.gateway.render import FOLDER
from orchestrator.gateway.workers import (
    SOCKETS,
    Workers,
    count_connections,
    parse_workers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from orchestrator.engine.base import Container, Conversation, Engine
    from orchestrator.gateway.admin import Admin
    from orchestrator.gateway.routing import Routing

# Tests every file it is given, up to the first that NGINX refuses. Whom it is to let in is looked up
# before: a gateway that an earlier stackctl started has not done so.
TEST = ("sh", "-c", f'{ADMIT}for conf; do nginx -t -q -c "$conf" || exit 1; done', "sh")
# Moves the link by a rename for every id it reads. The ids are data to it, never part of it.
SWITCH = (
    "sh",
    "-c",
    """while IFS= read -r id; do
        said=$(ln -sfn -- "$id" "$0/next" 2>&1 && mv -T -- "$0/next" "$0/current" 2>&1) \\
            && echo "$id" || echo "$said"
    done""",
    FOLDER,
)
RELOAD_PATIENCE = 10.0  # seconds until a reload must be in effect
CONFIRM_EVERY = 0.02
DRAIN_EVERY = 0.1
DRAIN_MARGIN = 5.0  # seconds beyond worker_shutdown_timeout for the last worker to leave


@dataclass(frozen=True)
class Config:
    """The text of nginx.conf for one routing."""

    routing: Routing
    text: str


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
        self._switch: Conversation | None = None
        self._admin = admin
        self._clock = clock

    def prepare(self) -> None:
        """Have the process that moves the link run, so that no reload waits for its start."""
        if self._switch is None:
            self._switch = self._engine.converse(self._id, SWITCH, user="0")

    def close(self) -> None:
        """Let go of what `prepare` started."""
        if self._switch is not None:
            self._switch.close()
            self._switch = None

    def stage(self, *configs: Config) -> None:
        """Put configs beside the one that serves and have NGINX test them. Changes nothing else.

        Raises GatewayError with NGINX's own words.
        """
        self._engine.write(self._id, FOLDER, pack(*configs))
        files = tuple(f"{FOLDER}/{config.routing.id}/nginx.conf" for config in configs)
        tested = self._engine.execute(self._id, TEST + files)
        if tested.exit_code != 0:
            self.discard([config.routing.id for config in configs])
            raise GatewayError(
                f"NGINX refuses the new config: {tested.text.strip()}",
                "the config that served still serves; `stackctl render` prints it",
            )

    def reload(self, identity: str) -> None:
        """Make a staged config the current one and tell NGINX; `confirm` proves that it took it."""
        self._point(identity)
        self._engine.signal(self._id, "HUP")

    def confirm(self, identity: str, outdated: Collection[int]) -> frozenset[int]:
        """Return once fresh connections get this config and no outdated worker accepts any.

        Returns the workers that accept now. Raises GatewayError where that does not come to pass.
        """

        def in_effect() -> frozenset[int] | None:
            if self._admin.serving() != identity:
                return None
            accepting = self.workers().accepting
            return None if accepting & frozenset(outdated) else accepting

        return self._await(in_effect, f"does not serve the config of `{identity}`")

    def await_reload(self, known: Collection[int]) -> frozenset[int]:
        """Return the workers that accept once as many have begun since the `known` ones as those were.

        All workers of a config begin within some milliseconds, but not at once: whoever knows that
        one of them answers does not know of the last. Raises GatewayError where they do not begin.
        """

        def begun() -> frozenset[int] | None:
            accepting, leaving = self.workers()
            replaced = (accepting | leaving) & frozenset(known)
            return accepting if len(accepting - replaced) >= len(replaced) else None

        return self._await(begun, "has not started all its workers")

    def restore(self, identity: str, known: Collection[int]) -> None:
        """Make an earlier config serve again; workers that are not `known` must leave.

        Raises UnsafeError where that cannot be proven.
        """
        try:
            newer = self.workers().accepting - frozenset(known)
            self.reload(identity)
            self.confirm(identity, newer)
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

    def _await(self, check: Callable[[], frozenset[int] | None], fault: str) -> frozenset[int]:
        """Return the workers that `check` finds. Raises GatewayError where a reload has no effect."""
        found = poll(check, clock=self._clock, every=CONFIRM_EVERY, within=RELOAD_PATIENCE)
        if found is None:
            raise GatewayError(
                f"NGINX {fault} {RELOAD_PATIENCE:g} s after the reload",
                "see why: `stackctl logs gateway`",
            )
        return found

    def _point(self, identity: str) -> None:
        try:
            answer = self._ask_switch(identity)
        except EngineError:  # it went with a gateway that restarted since; moving twice is no harm
            answer = self._ask_switch(identity)
        if answer != identity:
            self.close()
            raise GatewayError(f"the config link could not be moved to `{identity}`: {answer}")

    def _ask_switch(self, identity: str) -> str:
        self.prepare()
        try:
            return self._switch.ask(identity) if self._switch else ""
        except EngineError:
            self.close()
            raise

    def _open_to(self, addresses: Collection[str], port: int) -> int:
        sockets = self._engine.execute(self._id, SOCKETS)
        return count_connections(sockets.text, addresses, port)


def pack(*configs: Config) -> bytes:
    """Return a tar archive with each config in its folder."""

    def fill(archive: tarfile.TarFile) -> None:
        for config in configs:
            folder = tarfile.TarInfo(config.routing.id)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
            content = config.text.encode()
            file = tarfile.TarInfo(f"{config.routing.id}/nginx.conf")
            file.size, file.mode = len(content), 0o644
            archive.addfile(file, io.BytesIO(content))
            # Workers look for it behind the link: while it is there, theirs is the current config.
            archive.addfile(tarfile.TarInfo(f"{config.routing.id}/{config.routing.id}"))

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
