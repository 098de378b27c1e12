"""The candidate's containers: started together, asked for their addresses, put away again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from orchestrator.errors import EngineError
from orchestrator.events import Emit, Noticed, ReplicaStarted
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orchestrator.engine.ports import Containers, Engine, Volumes
    from orchestrator.engine.values import Container, ContainerSpec
    from orchestrator.release.plan import Plan
    from orchestrator.release.replica import Replica
    from orchestrator.stack.model import Service

Item = TypeVar("Item")
LOG_LINES = 20
LOOKED_THROUGH = 500  # lines: most may be those of probes


def in_parallel(act: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Do the same to all items at once; the first error is raised when all are through.

    A signal too: what was still being made would be missed by the undoing.
    """
    tasks = tuple(items)
    if not tasks:
        return
    with put_off(), ThreadPoolExecutor(max_workers=min(16, len(tasks))) as pool:
        outcomes = [pool.submit(act, item) for item in tasks]
    for outcome in outcomes:
        outcome.result()


def start_candidate(engine: Engine, plan: Plan, emit: Emit) -> None:
    """Create and start the containers of a plan, or wake those that a rollback goes back to."""

    def wake(replica: Replica) -> None:
        if not replica.container.running:
            engine.start(replica.container.id)
        emit(ReplicaStarted(replica.container.name, replica.container.id))

    ensure_volumes(engine, plan.start)
    in_parallel(wake, plan.wake)
    in_parallel(lambda spec: emit(ReplicaStarted(spec.name, engine.run(spec))), plan.start)


def clear_way(engine: Containers, plan: Plan) -> None:
    """Let the candidate have the names and addresses of its color. What is kept is not given up for
    it yet: it takes another name, and rests.
    """

    def set_aside(replica: Replica) -> None:
        if replica.container.running:
            engine.unpersist(replica.container.id)
            engine.stop(replica.container.id, 0)  # nobody gets it
        engine.rename(replica.container.id, naming.aside_name(replica.name))

    in_parallel(engine.remove, [replica.container.id for replica in plan.clear])
    in_parallel(set_aside, plan.aside)


def bring_back(engine: Containers, service: Service, replicas: Sequence[Replica]) -> None:
    """Give replicas that were set aside their names again, and keep them as `keep` says."""

    def restore(replica: Replica) -> None:
        if replica.container.name != replica.name:
            engine.rename(replica.container.id, replica.name)
        if service.keep == "running" and not replica.container.running:
            engine.persist(replica.container.id)
            engine.start(replica.container.id)

    in_parallel(restore, replicas)


def ensure_volumes(engine: Volumes, specs: Sequence[ContainerSpec]) -> None:
    """Make the volumes of a service's containers, unless they are there."""
    for name in sorted({one.name for spec in specs for one in spec.volumes if not one.external}):
        engine.ensure_volume(name, naming.labels(specs[0].labels[naming.STACK], "service"))


def find_candidate(engine: Containers, stack: str, plan: Plan) -> tuple[Container, ...]:
    """Return the candidate's containers as they are now, those of a failed start included."""
    return tuple(found for found in engine.containers(stack) if plan.owns(found))


def find_kept(engine: Containers, stack: str, plan: Plan) -> tuple[Replica, ...]:
    """Return the replicas that the plan sets aside, as they are now, as far as they are there."""
    found = {container.id: container for container in engine.containers(stack)}
    return tuple(
        replace(replica, container=found[replica.container.id])
        for replica in plan.aside
        if replica.container.id in found
    )


def read_last_lines(engine: Containers, containers: Sequence[Container], probed: str) -> str:
    """Return the last log lines of each container, under its name; `probed` is the path of its health.

    Lines of an access log that tell of probes are left out, unless there are no others.
    """
    return "\n".join(
        f"{container.name} ({container.state}):\n{_last_lines(engine, container, probed)}"
        for container in sorted(containers, key=lambda container: container.name)
    )


def _last_lines(engine: Containers, container: Container, probed: str) -> str:
    try:
        lines = engine.logs(container.id, tail=LOOKED_THROUGH).rstrip().split("\n")
        own = [line for line in lines if f"GET {probed} HTTP/" not in line]
        return "\n".join((own or lines)[-LOG_LINES:])
    except EngineError as error:  # what is only to be shown must not be in the way of the undoing
        return f"(no log: {error.message})"


def persist_candidate(engine: Containers, containers: Sequence[Container]) -> None:
    """Have the engine bring the candidate back from now on: it is what users will get."""
    in_parallel(lambda container: engine.persist(container.id), containers)


def stop(
    engine: Containers, service: Service, replicas: Sequence[Replica], emit: Emit = lambda _: None
) -> None:
    """Let replicas end what they have in hand, within `stop_grace`, and stay so; tell what still runs."""
    left = [replica.probed for replica in replicas]

    def tell() -> None:
        if left:
            emit(Noticed(f"{' and '.join(left)} still {'runs' if len(left) == 1 else 'run'}"))

    def end(replica: Replica) -> None:
        engine.unpersist(replica.container.id)  # or it would come back with the engine
        engine.stop(replica.container.id, service.stop_grace)
        left.remove(replica.probed)
        tell()

    tell()
    in_parallel(end, replicas)


def start_again(engine: Containers, replicas: Iterable[Replica]) -> None:
    """Have replicas work again that were stopped for a candidate."""

    def start(replica: Replica) -> None:
        engine.persist(replica.container.id)
        engine.start(replica.container.id)

    in_parallel(start, replicas)


def put_away(
    engine: Containers, service: Service, replicas: Sequence[Replica], emit: Emit = lambda _: None
) -> None:
    """Do with a retired color what `keep` says; tell what still runs after its stop signal."""
    if service.keep == "running":
        return
    stop(engine, service, replicas, emit)
    if service.keep == "removed":
        in_parallel(engine.remove, [replica.container.id for replica in replicas])


def discard(engine: Containers, service: Service, containers: Iterable[Container]) -> None:
    """Remove what no user gets. One that works by itself may end what it has begun."""

    def remove(container: Container) -> None:
        if service.may_be_at_work and container.running:
            engine.stop(container.id, service.stop_grace)
        engine.remove(container.id)

    in_parallel(remove, containers)


def undo_candidate(engine: Containers, plan: Plan, containers: Sequence[Container]) -> None:
    """Remove what a failed release created; what it woke only goes back to sleep."""
    woken = {replica.container.id for replica in plan.wake}
    grace = plan.service.stop_grace if plan.service.may_be_at_work else 0

    def rest(container: Container) -> None:
        engine.unpersist(container.id)
        engine.stop(container.id, grace)

    in_parallel(rest, [found for found in containers if found.id in woken])
    discard(engine, plan.service, [found for found in containers if found.id not in woken])
