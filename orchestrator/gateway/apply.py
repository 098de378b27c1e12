"""What is done to NGINX: a config tested, swapped, reloaded and confirmed; a link moved; who is
unfinished asked; what is not needed any more removed.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from orchestrator.clock import Clock, poll
from orchestrator.errors import EngineError, GatewayError, StackctlError, UnsafeError
from orchestrator.gateway.admin import CLOSED, PAUSED
from orchestrator.gateway.admission import ADMIT
from orchestrator.gateway.files import (
    CONFIGS,
    FOLDER,
    MOVES,
    STORED,
    SWEEP,
    WITNESSES,
    cache_folder,
    config_file,
    config_folder,
    config_link,
    pack_config,
)
from orchestrator.gateway.lane import Lane, parse_lane
from orchestrator.gateway.pointer import Pointer
from orchestrator.gateway.workers import Workers, parse_workers
from orchestrator.signals import put_off
from orchestrator.sockets import SOCKETS, count_connections
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from orchestrator.engine.ports import Inside
    from orchestrator.engine.values import Container
    from orchestrator.gateway.addresses import Upstream
    from orchestrator.gateway.admin import Admin
    from orchestrator.gateway.config import Config
    from orchestrator.stack.model import Color

# Whom the admin listener is to let in is looked up before the test.
TEST = ("sh", "-c", f'{ADMIT}exec nginx -t -q -c "$0"')
RELOAD_PATIENCE = 10.0  # seconds until a reload must be in effect
MOVE_PATIENCE = 10.0  # seconds until a moved link must be seen
CONFIRM_EVERY = 0.02
QUIET_EVERY = 0.02
COUNT_EVERY = 1.0  # how often the open connections are counted for who looks on
LEAVE_EVERY = 0.1
TOKEN_BYTES = 16
LEAVE_MARGIN = 5.0  # seconds beyond worker_shutdown_timeout for the last worker to leave


@dataclass(frozen=True)
class Quiet:
    """How a color came to be quiet, or did not."""

    seconds: float
    cut: int  # connections to it that were still open when time ran out


class Gateway:
    """The NGINX container of a stack."""

    def __init__(self, engine: Inside, container: Container, admin: Admin, clock: Clock) -> None:
        self._engine = engine
        self._id = container.id
        self._admin = admin
        self._clock = clock
        self._pointer = Pointer(engine, container.id)

    def prepare(self) -> None:
        """Have the process that moves links run, so that no switch waits for its start."""
        self._pointer.prepare()

    def close(self) -> None:
        """Let go of what `prepare` or a move has started."""
        self._pointer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def change_config(
        self, config: Config, served: Config, departure: float, lanes: Collection[str]
    ) -> None:
        """Have NGINX serve another config. Raises GatewayError with NGINX's own words.

        Where it gives out addresses, workers of a config before the one that serves must have left:
        they may know these as another service's. They have `departure` seconds for it. A service that
        is listed anew and is none of `lanes` has no link afterwards: one of before leads to nobody.
        """
        if config.table.addresses - served.table.addresses:
            self.await_departures(departure)
        self.stage(config)
        for service in config.table.upstreams.keys() - served.table.upstreams.keys() - {*lanes}:
            self.drop(service)
        self.take_up(config, config_link(served.id))

    def take_up(self, config: Config, served: str) -> None:
        """Have NGINX serve a config that is staged; `served` is where the link has led so far.

        Where NGINX does not take it up, what was served is served again. Raises GatewayError;
        UnsafeError where not even that can be proven.
        """
        known = self.workers().accepting
        with put_off():
            try:
                self._reload(config_link(config.id))
                self.confirm(config.id, known)
            except StackctlError:
                self._restore(served, known)
                raise

    def stage(self, config: Config) -> None:
        """Put a config beside the one that serves and have NGINX test it. Changes nothing else."""
        self._engine.write(self._id, FOLDER, pack_config(config))
        tested = self._engine.execute(self._id, (*TEST, config_file(config.id)))
        if tested.exit_code != 0:
            self._remove(config_folder(config.id))
            raise GatewayError(
                f"NGINX refuses the new config: {tested.text.strip()}",
                "the config that served still serves; `stackctl render` prints it",
            )

    def confirm(self, identity: str, outdated: Collection[int]) -> None:
        """Return once fresh connections get this config and no outdated worker accepts any.

        Raises GatewayError where that does not come to pass.
        """
        self._confirm(lambda: self._admin.serving() == identity, outdated)

    def _confirm(self, serves: Callable[[], bool], outdated: Collection[int]) -> None:
        def in_effect() -> bool | None:
            left = serves() and not self.workers().accepting & frozenset(outdated)
            return left or None

        if not self._poll(in_effect, CONFIRM_EVERY, RELOAD_PATIENCE):
            raise GatewayError(
                f"NGINX does not serve the new config {RELOAD_PATIENCE:g} s after the reload",
                "see why: `stackctl logs gateway`",
            )

    def await_departures(self, within: float) -> bool:
        """Wait until no worker of an earlier config is left; return whether that came to pass.

        NGINX itself ends them `worker_shutdown_timeout` after the reload, which is `within` seconds.
        """
        gone = self._poll(
            lambda: not self.workers().leaving or None, LEAVE_EVERY, within + LEAVE_MARGIN
        )
        return bool(gone)

    def move(self, service: str, name: str, lane: Lane) -> None:
        """Let a lane decide who gets a service's traffic: the switch. Raises GatewayError."""
        with put_off():  # half a talk with the process that moves links spoils the next one
            self._pointer.move(service, name, lane)

    def drop(self, service: str) -> None:
        """Take a service's link away: from now on it answers 503. Raises GatewayError."""
        with put_off():
            self._pointer.drop(service)

    def admit_witness(self) -> str:
        """Return a token, which nobody can guess, for a witness that no limit is to count.

        Raises GatewayError.
        """
        token = secrets.token_hex(TOKEN_BYTES)
        with put_off():
            self._pointer.admit(token)
        return token

    def confirm_move(self, service: str, lane: Lane, door: Callable[[], str | None]) -> None:
        """Return once the link leads to the lane and `door`, asked anew, answers from its color.

        `door` returns the upstream that answered at the public door; None where nobody can tell.
        Raises GatewayError where that does not come to pass.
        """
        color = lane.active.color if lane.active else None
        wanted = naming.upstream_name(service, color) if color else None
        if lane.closed or lane.paused:
            wanted = CLOSED if lane.closed else PAUSED

        def seen() -> bool | None:
            if self._admin.lane(service) != lane:
                return None
            return door() in (wanted, None) or None

        if not self._poll(seen, CONFIRM_EVERY, MOVE_PATIENCE):
            what = (
                "are let in still" if lane.closed or lane.paused else f"do not get {color or 'it'}"
            )
            raise GatewayError(
                f"users of `{service}` {what} {MOVE_PATIENCE:g} s after the switch",
                "see why: `stackctl logs gateway`",
            )

    def await_quiet(
        self,
        service: str,
        color: Color,
        upstream: Upstream | None,
        within: float,
        tell: Callable[[int], None] | None = None,
    ) -> Quiet:
        """Wait until nobody who has decided for a color is unfinished, at most `within` seconds.

        Where it lasts, `tell` is told now and then how many connections to it are still open.
        """
        started = told = self._clock.monotonic()
        name = naming.upstream_name(service, color)

        def is_quiet() -> bool | None:
            nonlocal told
            if not self._admin.busy(name):
                return True
            if tell is not None and self._clock.monotonic() - told >= COUNT_EVERY:
                with suppress(EngineError):  # it is only shown
                    tell(self._open_to(upstream))
                told = self._clock.monotonic()
            return None

        quiet = self._poll(is_quiet, QUIET_EVERY, within)
        cut = 0 if quiet else max(1, self._open_to(upstream))
        return Quiet(self._clock.monotonic() - started, cut)

    def empty_cache(self, upstream: str) -> None:
        """Forget what a color has answered: the files, since NGINX takes a missing one for a miss."""
        place = cache_folder(upstream)
        emptied = self._engine.execute(self._id, ("find", place, "-type", "f", "-delete"))
        if emptied.exit_code != 0:
            raise GatewayError(f"the cache of `{upstream}` was not emptied: {emptied.text.strip()}")

    def workers(self) -> Workers:
        """Return the workers as they are now."""
        return parse_workers(self._engine.processes(self._id))

    def sweep(self, serving: Collection[str]) -> tuple[str, ...]:
        """Remove the configs that do not serve and the moves that no link leads to.

        Returns the ids of the configs that were removed.
        """
        left = tuple(one for one in self.stored() if one not in serving)
        self._remove(*(config_folder(one) for one in left))
        self._engine.execute(self._id, ("sh", "-c", SWEEP, MOVES, WITNESSES), user="0")
        return left

    def stored_lanes(self, service: str) -> tuple[Lane | None, ...]:
        """Return the lanes of a service that are on disk, whether a link leads to them or not.

        None stands for one that cannot be read.
        """
        printed = self._engine.execute(self._id, ("sh", "-c", STORED, f"{MOVES}/{service}"))
        lines = [line for line in printed.text.splitlines() if line.startswith("lane ")]
        return tuple(parse_lane(line.removeprefix("lane ")) for line in lines)

    def stored(self) -> tuple[str, ...]:
        """Return the ids of all configs in the volume."""
        listed = self._engine.execute(self._id, ("ls", CONFIGS))
        return tuple(listed.text.split()) if listed.exit_code == 0 else ()

    def turn(self, identity: str) -> None:
        """Make a config the one that NGINX starts with."""
        with put_off():
            self._pointer.turn(config_link(identity))

    def _reload(self, link: str) -> None:
        self._pointer.turn(link)
        self._engine.signal(self._id, "HUP")

    def _restore(self, link: str, known: Collection[int]) -> None:
        """Make an earlier config serve again; workers that are not `known` must leave."""
        try:
            newer = self.workers().accepting - frozenset(known)
            self._reload(link)
            self._confirm(lambda: self._admin.config() == self._admin.current(), newer)
        except StackctlError as error:
            raise UnsafeError(
                f"the config of `{link}` could not be restored: {error.message}",
                "look at the gateway now: `stackctl status`, `stackctl logs gateway`",
            ) from error

    def _remove(self, *folders: str) -> None:
        if folders:
            self._engine.execute(self._id, ("rm", "-rf", "--", *folders), user="0")

    def _poll(self, check: Callable[[], bool | None], every: float, within: float) -> bool | None:
        return poll(check, clock=self._clock, every=every, within=within)

    def _open_to(self, upstream: Upstream | None) -> int:
        sockets = self._engine.execute(self._id, SOCKETS)
        addresses, port = (upstream.addresses, upstream.port) if upstream else ((), 0)
        return count_connections(sockets.text, addresses, port)
