"""One release while it runs: each phase as a method, and what its failure leads to."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from orchestrator.errors import StackctlError
from orchestrator.events import (
    DrainEnded,
    Event,
    Failed,
    PhaseBegan,
    PhaseEnded,
    Planned,
    Switched,
    Undone,
    Warned,
)
from orchestrator.evidence.record import Record, hash_text
from orchestrator.evidence.samples import count
from orchestrator.health import Gate
from orchestrator.release.candidate import (
    beside,
    find_candidate,
    keep_candidate,
    put_away,
    start_candidate,
)
from orchestrator.release.conclusion import Ending, conclude
from orchestrator.release.configs import discard_configs, open_gateway, ready_configs
from orchestrator.release.images import prepare_image
from orchestrator.release.lock import introduce, require_held
from orchestrator.release.migration import migrate
from orchestrator.release.observe import observe
from orchestrator.release.phases import UNDO, Phase, Undo
from orchestrator.release.plan import Order, Plan, Route, plan_release, plan_route
from orchestrator.release.preview import prove_preview
from orchestrator.release.specs import pick_secrets
from orchestrator.release.testimony import call_witness
from orchestrator.release.undo import (
    clear_way,
    drain_outgoing,
    give_up,
    put_back,
    read_candidate_logs,
)
from orchestrator.signals import held_back, put_off

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from orchestrator.engine.base import Image, Lease
    from orchestrator.evidence.witness import Witness
    from orchestrator.gateway.apply import Config, Gateway
    from orchestrator.release.house import House
    from orchestrator.release.result import Outcome, Result
    from orchestrator.stack.model import Service


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
        self._record = Record.begin(house.releases, order.service, order.version, house.clock)
        self._started = house.clock.monotonic()
        self._phase = Phase.BUILD
        self._seconds: dict[str, float] = {}
        self._route: Route | None = None
        self._plan: Plan | None = None
        self._opened: Gateway | None = None
        self._first_workers: frozenset[int] = frozenset()  # accepted before anything was changed
        self._outdated: frozenset[int] = frozenset()  # accepted before the pointer moved
        self._dismissed = 0.0  # when the first workers were told to leave
        self._workers: frozenset[int] = frozenset()  # accept since then
        self._witness: Witness | None = None
        self._logs = ""

    def __enter__(self) -> Self:
        self._emit(introduce(self._record.release, self._order))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        with closing(self._record):
            if error is not None and not isinstance(error, Exception):
                return False  # the process goes down: the next command puts things right
            return self._end(error)

    def _end(self, error: Exception | None) -> bool:
        """Undo what is to be undone, and conclude; return whether the error is in the result."""
        self._record.tolerate()  # what follows must come to its end, on a full disk as well
        outcome: Outcome = "unchanged" if self._plan and self._plan.unchanged else "deployed"
        with held_back() as late:  # undoing is all that a first signal could ask for
            if error is not None:
                outcome, error = self._undo(error)
            known = error if isinstance(error, StackctlError) else None
            self.result = self._conclude(outcome, known)
        if late and outcome in ("deployed", "unchanged"):
            self.result = replace(self.result, error=late[0])
        return known is not None

    def build(self) -> tuple[Route, Image]:
        """Build the version's image, or find it; meanwhile NGINX tests the configs."""
        with self._in(Phase.BUILD), beside() as pool:
            house, order = self._house, self._order
            route = plan_route(house.stack, observe(house), order, self._record.release)
            self._opened = open_gateway(house, route.gateway)
            self._route = route
            ready = pool.submit(ready_configs, self._opened, route) if route.is_new else None
            image = prepare_image(
                house.engine,
                house.stack,
                house.folder,
                order.service,
                order.version,
                self._emit,
                build=order.build,
            )
            if ready is not None:
                self._first_workers = ready.result()
            return route, image

    def plan(self, route: Route, image: Image) -> Plan:
        """Look at the stack and decide what to do."""
        with self._in(Phase.PLAN):
            house, order = self._house, self._order
            owner = f"services.{order.service}"
            secrets = pick_secrets(self._service.secrets, house.variables, owner)
            self._plan = plan = plan_release(house.stack, observe(house), route, image.id, secrets)
            if not route.is_new and not plan.unchanged:
                self._first_workers = ready_configs(self._gateway, route)
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

    def migrate(self, plan: Plan) -> None:
        """Let the new version bring the database to what it needs, where it says how."""
        wanted = self._service.migrate
        if plan.migration is not None and wanted is not None:
            with self._in(Phase.MIGRATE):
                migrate(self._house, plan.migration, wanted.deadline)

    def start(self, plan: Plan) -> None:
        """Start the witness and the candidate."""
        with self._in(Phase.START):
            self._witness = call_witness(self._house, plan, self._record.sample)
            clear_way(self._house, self._gateway, plan, self._lease)
            start_candidate(self._house.engine, plan, self._emit)

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
        """Add the candidate to the gateway, where only a preview reaches it, and ask it there.

        That the preview answers proves the reload. Old workers still accept: for users both configs
        are the same, and the next reload need not wait for them.
        """
        with self._in(Phase.STAGE), beside() as pool:
            house = self._house
            found = find_candidate(house.engine, house.stack.name, plan)
            self._dismissed = house.clock.monotonic()
            self._reload(plan.staged)
            kept = pool.submit(keep_candidate, house.engine, found)
            addresses = {container.address for container in found}
            prove_preview(house.admin, house.clock, plan.order, self._service, addresses)
            self._emit_switched(plan.staged)
            kept.result()

    def promote(self, plan: Plan) -> None:
        """Move the live pointer; whoever accepted before must accept no more."""
        with self._in(Phase.PROMOTE):
            self._outdated = self._gateway.await_reload(self._first_workers)
            self._reload(plan.promoted)

    def confirm(self, plan: Plan) -> None:
        """Prove that users get the candidate."""
        with self._in(Phase.CONFIRM):
            self._workers = self._gateway.confirm(plan.promoted.routing.id, self._outdated)
            self._emit_switched(plan.promoted)

    def drain(self, plan: Plan) -> None:
        """Wait until nobody is served by the previous version any more."""
        with self._in(Phase.DRAIN):
            self._gateway.stage(plan.retired)  # meanwhile old workers end anyway
            drained = drain_outgoing(self._house, self._gateway, plan, self._dismissed)
            self._emit(DrainEnded(round(drained.seconds, 3), drained.workers, drained.cut))
            if drained.cut:
                self._emit(Warned(f"{drained.cut} connections were cut at the end of the drain"))

    def retire(self, plan: Plan) -> None:
        """Take the previous version out of the gateway and put it away."""
        with self._in(Phase.RETIRE):
            self._reload(plan.retired)
            self._gateway.confirm(plan.retired.routing.id, self._workers)
            self._emit_switched(plan.retired)
            put_away(self._house.engine, self._service, plan.outgoing)
            self._gateway.discard(set(self._gateway.stored()) - {plan.retired.routing.id})

    @property
    def _service(self) -> Service:
        return self._house.stack.services[self._order.service]

    @property
    def _gateway(self) -> Gateway:
        if self._opened is None:
            raise AssertionError("the gateway is opened by the plan")  # a bug of ours
        return self._opened

    def _emit(self, event: Event) -> None:
        self._record.emit(event)
        self._house.emit(event)

    @contextmanager
    def _in(self, phase: Phase) -> Iterator[None]:
        self._phase = phase
        require_held(self._lease)
        self._emit(PhaseBegan(phase))
        started = self._house.clock.monotonic()
        yield
        self._seconds[phase] = self._house.clock.monotonic() - started
        self._emit(PhaseEnded(phase, round(self._seconds[phase], 3)))

    def _reload(self, config: Config) -> None:
        with put_off():  # half a talk with the process that moves the link spoils the next one
            self._gateway.reload(config.routing.id)

    def _emit_switched(self, config: Config) -> None:
        self._emit(Switched(config.routing.id, hash_text(config.text)))

    def _conclude(self, outcome: Outcome, error: StackctlError | None) -> Result:
        if self._opened is not None:
            self._opened.close()
        figures = self._witness.stop() if self._witness else count(())
        self._seconds["total"] = self._house.clock.monotonic() - self._started
        ending = Ending(outcome, error, self._seconds, self._logs)
        return conclude(self._house, self._record, self._order, self._plan, figures, ending)

    def _undo(self, error: Exception) -> tuple[Outcome, Exception]:
        """Do what the phase table says; return the outcome and the error to report."""
        reason = error.message if isinstance(error, StackctlError) else repr(error)
        undo, plan = UNDO[self._phase], self._plan
        if undo is Undo.FORWARD:
            self._emit(Warned(f"{self._phase}: {reason}; the previous version was left as it is"))
            return "deployed", error
        if plan is not None:
            self._logs = read_candidate_logs(self._house, plan)
        self._emit(Failed(self._phase, reason, getattr(error, "hint", None), self._logs))
        try:
            require_held(self._lease)
            if plan is not None and undo is not Undo.NOTHING:
                put_back(self._house, self._gateway, plan, undo, self._first_workers, self._lease)
            if self._route is not None:
                discard_configs(self._gateway, self._route, self._emit)
        except StackctlError as failure:
            self._emit(Warned(f"not undone: {failure.message}"))
            return give_up(reason, failure, self._lease)
        self._emit(Undone(undo))
        return "reverted", error
