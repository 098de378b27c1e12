"""Whether a machine has the memory for more replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.doctor.demand import find_demand
from orchestrator.doctor.finding import Verdict
from orchestrator.doctor.room import judge_memory
from orchestrator.events import Warned
from orchestrator.release.count import set_count

if TYPE_CHECKING:
    from orchestrator.release.house import House


def warn_of_growth(house: House, service: str, replicas: int) -> None:
    """Warn where so many replicas, and as many of the next release beside them, may need more than there is.

    It keeps nobody from anything: few containers take all that they may.
    """
    if service not in house.stack.services or replicas <= house.stack.services[service].replicas:
        return
    stack, _ = set_count(house.stack, service, None, replicas)
    found = judge_memory(find_demand(stack), house.engine.memory())
    if found.verdict is Verdict.WARNING:
        house.emit(Warned(f"with {replicas} replicas of `{service}` {found.text}"))
