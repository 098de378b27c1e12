"""The phases of a release, in their order: each takes what the one before it has returned."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import GatewayError
from orchestrator.events import BackedUp, DrainEnded, Planned, Switched, Warned
from orchestrator.evidence.record import hash_text
from orchestrator.release.assets import store_assets
from orchestrator.release.backup import back_up
from orchestrator.release.candidate import (
    find_candidate,
    in_parallel,
    persist_candidate,
    put_away,
    start_candidate,
)
from orchestrator.release.closure import close, end_previous
from orchestrator.release.companions import check_companions, prepare_companions
from orchestrator.release.externals import refuse_unfit
from orchestrator.release.gate import pass_gate, require_running
from orchestrator.release.gateway import require_gateway, require_users
from orchestrator.release.images import find_image
from orchestrator.release.migration import migrate_database
from orchestrator.release.observe import observe
from orchestrator.release.phases import Phase
from orchestrator.release.plan import Plan, plan_release
from orchestrator.release.preview import prove_preview
from orchestrator.release.provision import provide
from orchestrator.release.reach import require_door
from orchestrator.release.switch import Switch, open_switch, warn_of_cut
from orchestrator.release.waiting import await_old_workers, await_quiet_color
from orchestrator.release.witness import call_witness
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.engine.values import Image
    from orchestrator.release.run import Run


@dataclass(frozen=True)
class Built:
    """The version's image, and the link that will lead users to it."""

    image: Image
    switch: Switch
    companions: Mapping[str, Image]  # those of the services that follow


@dataclass(frozen=True)
class Candidate:
    """A plan under way."""

    plan: Plan
    switch: Switch


@dataclass(frozen=True)
class Promoted(Candidate):
    """A candidate that users get."""


def build(run: Run) -> Built:
    """Build the version's image, or find it; meanwhile the gateway is made ready.

    Where users do not get in, nothing is built: no witness could tell what they get.
    """
    with run.phase(Phase.BUILD), _beside() as pool:
        house, order = run.house, run.order
        for name in (order.service, *order.companions) if order.build else ():
            refuse_unfit(house, name)
        opening = pool.submit(_open_switch, run)
        if order.build:
            require_door(house, order.service)
        image = find_image(house, order, order.service, run.emit)
        companions = prepare_companions(house, order, run.emit)
        return Built(image, opening.result(), companions)


def plan(run: Run, built: Built) -> Candidate:
    """Look at the stack and decide what to do."""
    with run.phase(Phase.PLAN), _beside() as pool:
        door = pool.submit(require_door, run.house, run.order.service)
        house, order, image = run.house, run.order, built.image
        given = provide(house, house.stack.services[order.service], f"services.{order.service}")
        snapshot, release = observe(house), run.record.release
        require_users(house.stack, snapshot)
        run.plan = made = plan_release(house.stack, snapshot, order, release, image.id, given)
        run.emit(
            Planned(
                color=made.candidate.color,
                replicas=made.replicas,
                image=next(iter(image.tags), image.id),
                digest=image.id,
                registry=next(iter(image.digests), ""),
                previous=made.previous.version if made.previous else None,
                unchanged=made.unchanged,
                worker=made.service.is_worker,
                outgoing=len(made.outgoing),
            )
        )
        if not made.unchanged:
            door.result()
        if made.start and not order.build:  # what is only woken needs no name: it has one
            refuse_unfit(house, order.service)
        if made.recounted:
            built.switch.move("recount", made.recounted)
        check_companions(house, order, snapshot, release, built.companions)
        for text in made.find_warnings(image):
            run.emit(Warned(text))
        return Candidate(made, built.switch)


def configure(run: Run, candidate: Candidate) -> Candidate:
    """Bring NGINX the config that the release needs, where it differs from the one that serves.

    Users notice nothing: the active color is in it as it was.
    """
    made = candidate.plan
    if made.config.id != made.served.id:
        with run.phase(Phase.CONFIGURE):
            departure = run.house.stack.gateway.departure
            if made.config.table.addresses - made.served.table.addresses:
                run.tell("until workers of the config before have left", departure)
            candidate.switch.gateway.change_config(made.config, made.served, departure, made.lanes)
            run.emit(Switched(made.config.id, hash_text(made.config.text)))
    return candidate


def migrate(run: Run, candidate: Candidate) -> Candidate:
    """Let the new version bring the database to what it needs, where it says how."""
    spec, wanted = candidate.plan.migration, candidate.plan.service.migrate
    if spec is not None and wanted is not None:
        with run.phase(Phase.MIGRATE):
            for name in candidate.plan.backups:
                dump = back_up(run.house, name, run.tell)
                file, seconds = run.house.shorten(dump.file), round(dump.seconds, 3)
                run.emit(BackedUp(name, file, dump.size, seconds))
            run.tell("until the database is migrated", wanted.deadline)
            migrate_database(run.house, spec, wanted.deadline)
    return candidate


def start(run: Run, candidate: Candidate) -> Candidate:
    """Start the witness and the candidate, once its color is quiet."""
    made = candidate.plan
    with run.phase(Phase.START), _beside() as pool:
        door = pool.submit(require_door, run.house, made.order.service)
        run.witness = call_witness(
            run.house,
            made,
            candidate.switch.gateway,
            run.record.sample,
            run.record.note,
            promised=made.order.version,
        )
        await_quiet_color(run, made, candidate.switch)
        door.result()
        if made.closes:
            close(run, made, candidate.switch)
        elif made.previous is not None:  # where nobody serves, a lane would lead users to it
            candidate.switch.move("stage", made.staged)
        if made.gives_way:  # after the move: the lane says what is to be started again
            end_previous(run, made)
        start_candidate(run.house.engine, made, run.emit)
        run.gap.fill()
    return candidate


def gate(run: Run, candidate: Candidate) -> Candidate:
    """Wait until every replica has proven itself."""
    with run.phase(Phase.GATE):
        pass_gate(run.house, candidate.plan, run.emit, run.tell)
        if not candidate.plan.closes:
            run.gap.close()
    return candidate


def preview(run: Run, candidate: Candidate) -> Candidate:
    """Ask the candidate the way that traffic will take, and make it what the engine brings back."""
    made, house = candidate.plan, run.house
    with run.phase(Phase.PREVIEW), _beside() as pool:
        if made.service.is_worker:
            persist_candidate(house.engine, require_running(house, made))
            return candidate
        found = find_candidate(house.engine, house.stack.name, made)
        kept = pool.submit(persist_candidate, house.engine, found)
        if any(route.cache for route in made.service.routes):
            color = made.candidate.color
            candidate.switch.gateway.empty_cache(naming.upstream_name(made.order.service, color))
        store_assets(run, made, found[0])
        prove_preview(house, made)
        require_door(house, made.order.service)  # the last look before the switch
        kept.result()
    return candidate


def promote(run: Run, candidate: Candidate) -> Promoted:
    """Move the link: from now on each new request is the candidate's."""
    made = candidate.plan
    with run.phase(Phase.PROMOTE):
        if made.is_reshaped:
            await_old_workers(run, candidate.switch)
        served = run.house.admin.serving()
        if served != made.config.id:
            raise GatewayError(
                f"the gateway serves the config `{served}`, and not `{made.config.id}`, which lists"
                " the candidate",
                "somebody else has changed it: `stackctl up`, then deploy again",
            )
        candidate.switch.move("promote", made.promoted)
        if made.closes:
            run.gap.close()
    return Promoted(made, candidate.switch)


def confirm(run: Run, promoted: Promoted) -> Promoted:
    """Prove that users get the candidate."""
    with run.phase(Phase.CONFIRM):
        promoted.switch.confirm(promoted.plan.promoted)
    return promoted


def drain(run: Run, promoted: Promoted) -> Promoted:
    """Wait until the previous version has answered all who had decided for it."""
    made = promoted.plan
    if made.closes or (not made.drains and made.service.is_worker):
        return promoted
    with run.phase(Phase.DRAIN):
        if run.witness is not None:
            run.witness.let_go()  # its own unfinished requests are not to be waited for
        if made.previous is not None:
            color, table = made.previous.color, made.config.table
            run.tell(f"until {made.previous.version} has answered all", made.drain_timeout)
            drained = promoted.switch.await_quiet(color, table, made.drain_timeout)
            run.emit(DrainEnded(round(drained.seconds, 3), drained.cut))
            warn_of_cut(drained, run.emit)
    return promoted


def retire(run: Run, promoted: Promoted) -> Promoted:
    """Put the previous version away. It is what a rollback goes back to, in place of what was kept."""
    made = promoted.plan
    with run.phase(Phase.RETIRE):
        if made.previous is not None:
            run.tell(f"until {made.previous.version} stops", made.service.stop_grace)
        put_away(run.house.engine, made.service, made.outgoing, run.house.emit)
        in_parallel(run.house.engine.remove, [replica.container.id for replica in made.aside])
        promoted.switch.move("retire", made.retired)
        promoted.switch.gateway.sweep({made.config.id})
    return promoted


def _open_switch(run: Run) -> Switch:
    house, order = run.house, run.order
    container, _ = require_gateway(house.stack, observe(house))
    switch = open_switch(house, container, order.service, run.record.release, run.emit)
    run.switch = switch
    switch.gateway.prepare()
    return switch


@contextmanager
def _beside() -> Iterator[ThreadPoolExecutor]:
    """Give a thread for work beside the block. When the block ends, that work has ended too."""
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        yield pool
    finally:
        with put_off():
            pool.shutdown()
