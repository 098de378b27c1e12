"""Why a candidate does not pass: what the engine and the container itself know of it.

Looked for only once it has failed: a release that goes well asks nothing of this.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from orchestrator.errors import EngineError
from orchestrator.gateway.admin import UNREACHED, UNSPOKEN
from orchestrator.health import Reason, Verdict
from orchestrator.release.candidate import find_candidate
from orchestrator.sockets import SOCKETS, find_listeners, has_tables

if TYPE_CHECKING:
    from orchestrator.engine.values import Container, Ending
    from orchestrator.release.house import House
    from orchestrator.release.plan import Plan

MIB = 1024**2
KILLED = 128 + signal.SIGKILL
SLOW = "a slow start needs a longer `health.deadline`"
LOGS = "its last log lines say why"


def explain(house: House, plan: Plan, replica: str, last: Verdict) -> Reason | None:
    """Say why a replica does not pass; None where nobody knows more than its `last` answer."""
    try:
        found = find_candidate(house.engine, house.stack.name, plan)
        container = next((one for one in found if one.name == replica), None)
        if container is None:
            return Reason("is gone", "it was removed by somebody else: release again")
        ending = house.engine.ending(container.id)
        memory = plan.service.resources.memory
        if container.crashed or ending.out_of_memory:
            return explain_ending(ending, memory, ended=container.crashed)
        return _explain_silence(house, container, plan, last)
    except EngineError:  # what is only to be told must not hide that the candidate has failed
        return None


def explain_ending(ending: Ending, memory: int, *, ended: bool) -> Reason:
    """Say how a process came to its end. `memory` is what it may have, in bytes."""
    limit = f"`resources.memory`, now {memory // MIB} MiB"
    code = ending.exit_code
    if ending.out_of_memory:
        who = "was killed" if ended else "lost a process that was killed"
        return Reason(f"{who} for memory", f"it needs more than {limit}")
    if code == KILLED:
        hint = f"the kernel does that where memory is short: see {limit}"
        return Reason("was killed with SIGKILL (exit code 137)", hint)
    if code == 0:
        hint = "its command must stay in the foreground, and not start something and end"
        return Reason("ended by itself with exit code 0", hint)
    name = _name_signal(code - 128) if code > 128 else ""
    return Reason(f"ended with exit code {code}{name and f' ({name})'}", LOGS)


def explain_listeners(sockets: str, port: int) -> Reason | None:
    """Say why nobody outside of a container reaches its port; None where the text does not tell."""
    if not has_tables(sockets):
        return None
    found = find_listeners(sockets)
    here = found.get(port, set())
    if not here:
        others = ", ".join(map(str, sorted(found)))
        if not others:
            return Reason(f"listens on no port, and should listen on {port}", SLOW)
        hint = f"let it listen on {port}, or name its port: `port`, `health.port`"
        return Reason(f"listens on port {others}, and not on {port}", hint)
    hint = f"let it listen on 0.0.0.0, port {port}"
    if all(address.is_loopback for address in here):
        names = " and ".join(sorted(map(str, here)))
        return Reason(f"listens on {names} only, which nobody outside its container reaches", hint)
    if all(address.version == 6 for address in here):
        return Reason(f"listens on IPv6 only at port {port}, and is asked over IPv4", hint)
    return None


def _explain_silence(
    house: House, container: Container, plan: Plan, last: Verdict
) -> Reason | None:
    port = plan.service.health.port or plan.service.port
    if last.detail == UNSPOKEN:
        hint = "let it speak HTTP/2 without TLS there, from the first byte; or see `port` and `protocol`"
        return Reason(f"is reached at port {port}, and does not speak HTTP/2 there", hint)
    if last.detail != UNREACHED:
        return None
    if port is None:
        return None
    return explain_listeners(house.engine.execute(container.id, SOCKETS).text, port)


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
