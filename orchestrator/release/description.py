"""What a plan says of itself, step by step: pure, and shown as it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.release.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.release.plan import Plan


def describe(plan: Plan) -> Iterator[tuple[Phase, str]]:
    """Yield what each phase will do; a phase with nothing to do is left out, and not run."""
    if plan.unchanged:
        return
    if plan.config.id != plan.served.id:
        yield Phase.CONFIGURE, "test the new NGINX config, reload it, confirm it"
    yield from _describe_migration(plan)
    yield from _describe_start(plan)
    yield from _describe_proof(plan)
    opens = "open, and " if plan.closes else ""
    yield Phase.PROMOTE, f"{opens}move the link to {plan.candidate.color}: no reload"
    if plan.service.is_worker:
        yield Phase.CONFIRM, "the link says so"
    else:
        yield Phase.CONFIRM, "new connections get it"
    if plan.previous:
        was = f"{plan.previous.color} ({plan.previous.version})"
        if plan.drains and not plan.closes:
            yield Phase.DRAIN, f"until {was} has answered all, at most {plan.drain_timeout:g} s"
        yield Phase.RETIRE, f"{plan.previous.color}: {plan.service.keep}"
        if plan.aside:
            yield Phase.RETIRE, f"remove {plan.aside[0].version}, which was kept so far"


def _describe_migration(plan: Plan) -> Iterator[tuple[Phase, str]]:
    for name in plan.backups:
        yield Phase.MIGRATE, f"back {name} up"
    if plan.migration:
        yield Phase.MIGRATE, f"run {' '.join(plan.migration.entrypoint)}"


def _describe_start(plan: Plan) -> Iterator[tuple[Phase, str]]:
    for replica in plan.clear:
        yield Phase.START, f"remove {replica.container.name}"
    for replica in plan.aside:
        yield Phase.START, f"set {replica.name} ({replica.version}) aside"
    if plan.closes:
        yield Phase.START, f"close {plan.order.service}: who comes now is told to come back"
        was, within = plan.previous_version, f"at most {plan.drain_timeout:g} s"
        yield Phase.START, f"wait until {was} has answered all of before, {within}"
    for replica in plan.outgoing if plan.gives_way else ():
        yield Phase.START, f"stop {replica.name} ({replica.version}), which must be alone"
    for name in plan.replicas:
        yield Phase.START, f"start {name}"


def _describe_proof(plan: Plan) -> Iterator[tuple[Phase, str]]:
    health = plan.service.health
    within = f"within {health.deadline:g} s"
    if not plan.service.is_worker:
        yield Phase.GATE, f"{health.successes} healthy answers in a row from each, {within}"
        color = plan.candidate.color
        for one in plan.service.assets:
            yield Phase.PREVIEW, f"keep what {one.source} has, for pages that ask for {one.path}"
        yield Phase.PREVIEW, f"every replica answers through the upstream of {color}"
        return
    if health.command:
        yield Phase.GATE, f"`{' '.join(health.command)}` ends with 0 in each, {within}"
    else:
        yield Phase.GATE, f"each runs for {health.steady:g} s without an end"
    yield Phase.PREVIEW, "every replica still runs"
