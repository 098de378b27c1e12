"""One release while it runs: each phase as a method, and what its failure leads to."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from orchestrator.errors import LockedError, StackctlError, UnsafeError
from orchestrator.events import (
    DrainEnded,
    Event,
    Failed,
    PhaseBegan,
    PhaseEnded,
    Planned,
    Started,
    Switched,
    Undone,
    Warned,
)
from orchestrator.evidence.record import Record, hash_text
from orchestrator.evidence.samples import count
from orchestrator.evidence.witness import Witness
from orchestrator.gateway.apply import Config, Drained, Gateway
from orchestrator.health import Gate
from orchestrator.release.candidate import (
    find_candidate,
    in_parallel,
    put_away,
    read_last_lines,
    start_candidate,
    undo_candidate,
)
from orchestrator.release.conclusion import Ending, conclude
from orchestrator.release.images import prepare_image
from orchestrator.release.lock import ci_link, operator
from orchestrator.release.observe import Replica, observe
from orchestrator.release.phases import UNDO, Phase, Undo
from orchestrator.release.plan import Order, Plan, plan_release
from orchestrator.release.preview import prove_preview
from orchestrator.release.specs import pick_secrets
from orchestrator.stack.model import Service, WitnessRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from orchestrator.engine.base import Image, Lease
    from orchestrator.gateway.workers import Workers
    from orchestrator.release.house import House
    from orchestrator.release.result import Outcome, Result


class Attempt:
    """A release between its first event and its evidence.

    As a context manager it undoes what a failed phase had changed, by the phase table, and leaves
    evidence either way. `result` is there afterwards; errors that a person can put right are in it.
    """

    result: Result

    def __init__(self, house: House, order: Order, lease: Lease) -> None:
        self._house = house
        self._order = order
        self._lease = lease
        self._record = Record(house.releases, order.service, order.version, house.clock)
        self._started = house.clock.monotonic()
        self._phase = Phase.BUILD
        self._seconds: dict[str, float] = {}
        self._plan: Plan | None = None
        self._first_workers: Workers | None = None
        self._witness: Witness | None = None
        self._logs = ""

    def __enter__(self) -> Self:
        order = self._order
        self._emit(
            Started(
                release=self._record.release,
                command=order.command,
                service=order.service,
                version=order.version,
                operator=operator(),
                host=socket.gethostname(),
                ci=ci_link(os.environ),
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        outcome: Outcome = "unchanged" if self._plan and self._plan.unchanged else "deployed"
        if error is not None:
            outcome, error = self._undo(error)
        figures = self._witness.stop() if self._witness else count(())
        self._seconds["total"] = self._house.clock.monotonic() - self._started
        known = error if isinstance(error, StackctlError) else None
        self.result = conclude(
            self._house,
            self._record,
            self._order,
            self._plan,
            figures,
            Ending(outcome, known, self._seconds, self._logs),
        )
        return known is not None

    def build(self) -> Image:
        """Build the version's image, or find it."""
        with self._in(Phase.BUILD):
            house, order = self._house, self._order
            return prepare_image(
                house.engine,
                house.stack,
                house.folder,
                order.service,
                order.version,
                self._emit,
                build=order.build,
            )

    def plan(self, image: Image) -> Plan:
        """Look at the stack and decide what to do."""
        with self._in(Phase.PLAN):
            house, order = self._house, self._order
            owner = f"services.{order.service}"
            secrets = pick_secrets(self._service.secrets, house.variables, owner)
            self._plan = plan = plan_release(
                house.stack, observe(house), order, self._record.release, image.id, secrets
            )
            self._emit(
                Planned(
                    color=plan.candidate.color,
                    replicas=plan.replicas,
                    image=next(iter(image.tags), image.id),
                    digest=image.id,
                    previous=plan.previous.version if plan.previous else None,
                    unchanged=plan.unchanged,
                )
            )
            return plan

    def start(self, plan: Plan) -> None:
        """Start the candidate and the witness; NGINX tests the configs while the app boots."""
        with self._in(Phase.START):
            self._call_witness(plan)
            self._clear_way(plan)
            gateway = self._gateway(plan)
            self._first_workers = gateway.workers()
            with ThreadPoolExecutor(max_workers=1) as beside:
                staged = beside.submit(self._stage_configs, gateway, plan.staged, plan.promoted)
                start_candidate(self._house.engine, plan, self._emit)
            staged.result()

    def gate(self, plan: Plan) -> None:
        """Wait until every replica has proven itself."""
        with self._in(Phase.GATE):
            health, port, admin = self._service.health, self._service.port, self._house.admin

            def crashed() -> list[str]:
                found = find_candidate(self._house.engine, self._house.stack.name, plan)
                return [container.name for container in found if container.crashed]

            Gate(health, plan.order.version, self._house.clock, self._emit).wait(
                plan.replicas,
                lambda replica: admin.probe(replica, port, health.path, health.timeout),
                crashed,
            )

    def stage(self, plan: Plan) -> None:
        """Add the candidate to the gateway, where only a preview reaches it, and ask it there."""
        with self._in(Phase.STAGE):
            self._switch(plan, plan.staged)
            house = self._house
            found = find_candidate(house.engine, house.stack.name, plan)
            prove_preview(
                house.admin,
                house.clock,
                plan.order.service,
                self._service,
                plan.order.version,
                {container.address for container in found},
            )

    def promote(self, plan: Plan) -> frozenset[int]:
        """Move the live pointer; return the workers that must not accept any more."""
        with self._in(Phase.PROMOTE):
            gateway = self._gateway(plan)
            outdated = gateway.workers().accepting
            gateway.reload(plan.promoted)
            return outdated

    def confirm(self, plan: Plan, outdated: frozenset[int]) -> None:
        """Prove that users get the candidate."""
        with self._in(Phase.CONFIRM):
            self._gateway(plan).confirm(plan.promoted, outdated)
            self._emit_switched(plan.promoted)

    def drain(self, plan: Plan) -> None:
        """Wait until nobody is served by the previous version any more."""
        with self._in(Phase.DRAIN):
            self._emit_drained(self._drain(plan, plan.outgoing))

    def retire(self, plan: Plan) -> None:
        """Take the previous version out of the gateway and put it away."""
        with self._in(Phase.RETIRE):
            gateway = self._gateway(plan)
            self._stage_configs(gateway, plan.retired)
            self._switch(plan, plan.retired)
            put_away(self._house.engine, self._service, plan.outgoing)
            gateway.discard(set(gateway.stored()) - {plan.retired.routing.id})

    @property
    def _service(self) -> Service:
        return self._house.stack.services[self._order.service]

    def _gateway(self, plan: Plan) -> Gateway:
        return Gateway(self._house.engine, plan.gateway, self._house.admin, self._house.clock)

    def _emit(self, event: Event) -> None:
        self._record.emit(event)
        self._house.emit(event)

    @contextmanager
    def _in(self, phase: Phase) -> Iterator[None]:
        if not self._lease.held:
            raise LockedError(
                "the lock was lost: the engine restarted or the connection was cut",
                "look at the stack with `stackctl status`, then run the command again",
            )
        self._phase = phase
        self._emit(PhaseBegan(phase))
        started = self._house.clock.monotonic()
        yield
        self._seconds[phase] = self._house.clock.monotonic() - started
        self._emit(PhaseEnded(phase, round(self._seconds[phase], 3)))

    def _call_witness(self, plan: Plan) -> None:
        if plan.previous is None:
            return  # nobody is served yet, so there is nothing to lose
        requests = self._service.witness or tuple(
            WitnessRequest(path=route.path) for route in self._service.routes[:1]
        )
        if requests:
            gateway = self._house.stack.gateway
            self._witness = Witness(
                gateway.listen, requests, gateway.keepalive, self._record.sample
            )
            self._witness.start()

    def _clear_way(self, plan: Plan) -> None:
        """Remove what is in the candidate's way, once no worker can send it requests."""
        if any(replica.container.running for replica in plan.clear):
            self._drain(plan, plan.clear)
        in_parallel(self._house.engine.remove, [r.container.id for r in plan.clear])

    def _stage_configs(self, gateway: Gateway, *configs: Config) -> None:
        for config in configs:
            gateway.stage(config)

    def _switch(self, plan: Plan, config: Config) -> None:
        gateway = self._gateway(plan)
        outdated = gateway.workers().accepting
        gateway.reload(config)
        gateway.confirm(config, outdated)
        self._emit_switched(config)

    def _drain(self, plan: Plan, replicas: tuple[Replica, ...]) -> Drained:
        return self._gateway(plan).drain(
            [replica.container.address for replica in replicas],
            self._service.port,
            self._house.stack.gateway.drain_timeout,
        )

    def _emit_switched(self, config: Config) -> None:
        self._emit(Switched(config.routing.id, hash_text(config.text)))

    def _emit_drained(self, drained: Drained) -> None:
        self._emit(DrainEnded(round(drained.seconds, 3), drained.workers, drained.cut))
        if drained.cut:
            limit = self._house.stack.gateway.drain_timeout
            self._emit(Warned(f"{drained.cut} connections were cut after {limit:g} s of draining"))

    def _undo(self, error: BaseException) -> tuple[Outcome, BaseException]:
        """Do what the phase table says; return the outcome and the error to report."""
        reason = error.message if isinstance(error, StackctlError) else repr(error)
        undo, plan = UNDO[self._phase], self._plan
        if undo is Undo.FORWARD:
            self._emit(Warned(f"{self._phase}: {reason}; the previous version was left as it is"))
            return "deployed", error
        try:
            if plan is not None and undo is not Undo.NOTHING:
                self._put_back(plan, undo)
            self._emit(Failed(self._phase, reason, getattr(error, "hint", None), self._logs))
            self._emit(Undone(undo))
        except StackctlError as failure:
            return "failed_unsafe", UnsafeError(
                f"{reason}; undoing it failed too: {failure.message}",
                failure.hint or "look at it now: `stackctl status`",
            )
        return "reverted", error

    def _put_back(self, plan: Plan, undo: Undo) -> None:
        engine, stack = self._house.engine, self._house.stack
        found = find_candidate(engine, stack.name, plan)
        self._logs = read_last_lines(engine, found)
        gateway = self._gateway(plan)
        if undo is Undo.RESTORE and self._first_workers is not None:
            gateway.restore(plan.base.routing.id, self._first_workers)
            gateway.drain(
                [c.address for c in found], self._service.port, stack.gateway.drain_timeout
            )
        undo_candidate(engine, plan, found)
        gateway.discard([plan.staged.routing.id, plan.promoted.routing.id])
