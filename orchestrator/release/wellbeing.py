"""Which replicas are healthy right now, asked through the gateway as the gate does. A worker that runs is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING

from orchestrator.asking import Unanswered
from orchestrator.clock import poll
from orchestrator.events import Emit, Waiting, Warned
from orchestrator.gateway.admin import UNREACHED
from orchestrator.health import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.asking import Answer
    from orchestrator.release.house import House
    from orchestrator.release.replica import Replica
    from orchestrator.stack.health import Health

PATIENCE = 2.0  # seconds for an answer
CONNECTED = 6.0  # seconds within which NGINX says that it gets no connection
AT_ONCE = 128  # so many sick replicas are waited for together
ASK_EVERY = 0.05  # seconds; users wait


def find_healthy(house: House, replicas: Sequence[Replica]) -> frozenset[str]:
    """Return the names of those that run and give one good answer; the gateway must run."""
    return _find_good(house, [replica for replica in replicas if replica.container.running])


def await_answers(house: House, replicas: Sequence[Replica], emit: Emit) -> None:
    """Return once replicas give a good answer each, so that users can come.

    Where they do not within the deadline of their gate it is a warning: they are what there is.
    """
    names = {replica.container.name for replica in replicas}
    if not names or house.stack.services[replicas[0].service].is_worker:
        return
    within, told = house.stack.services[replicas[0].service].health.deadline, " and ".join(names)
    house.emit(Waiting(f"until {told} answers", within))

    def answer() -> bool | None:
        return _find_good(house, replicas) == names or None

    if not poll(answer, clock=house.clock, every=ASK_EVERY, within=within):
        emit(Warned(f"{told} is not healthy after {within:g} s, and users get it all the same"))


def _find_good(house: House, replicas: Sequence[Replica]) -> frozenset[str]:
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        verdicts = pool.map(lambda replica: _is_healthy(house, replica), replicas)
        return frozenset(
            replica.container.name
            for replica, healthy in zip(replicas, verdicts, strict=True)
            if healthy
        )


def find_unreached(house: House, replicas: Sequence[Replica]) -> frozenset[str]:
    """Return the names of those that run and that NGINX gets no connection to."""
    running = [replica for replica in replicas if replica.container.running]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        reached = pool.map(lambda replica: _is_reached(house, replica), running)
        return frozenset(
            replica.container.name
            for replica, connected in zip(running, reached, strict=True)
            if not connected
        )


def _is_reached(house: House, replica: Replica) -> bool:
    """Whether anything answers; what takes a connection and is silent does as well."""
    service = house.stack.services[replica.service]
    if service.is_worker:
        return True
    health = service.health
    try:
        answer = _ask(house, replica, health, CONNECTED)
    except Unanswered:
        return True
    return answer.status != HTTPStatus.BAD_GATEWAY or answer.text != UNREACHED


def _is_healthy(house: House, replica: Replica) -> bool:
    service = house.stack.services.get(replica.service)
    if service is None or service.is_worker:
        return service is not None
    health = service.health
    try:
        answer = _ask(house, replica, health, PATIENCE)
    except Unanswered:
        return False
    return judge(answer, replica.version, health).healthy


def _ask(house: House, replica: Replica, health: Health, within: float) -> Answer:
    return house.admin.probe(replica.probed, health.path, within, health.headers, health.body)
