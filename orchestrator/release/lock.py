"""One release at a time: the stack's lock, and who holds it."""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.edition import find_edition
from orchestrator.engine.values import Container, ContainerSpec
from orchestrator.errors import ConfigurationError, Conflict, LockedError
from orchestrator.events import Started, Waiting, Warned
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.engine.ports import Lease
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order
    from orchestrator.whereabouts import Whereabouts

RETRY_EVERY = 0.3
# Seconds: the engine refuses a name before it lists the container that has it, and for a while after
# its holder has died. A busy one takes its time.
NAMELESS = 10.0
LOST = "the lock was lost: the engine restarted or the connection was cut"
PUT_RIGHT = "run the command again: it puts right first what this one has left"
HELD_BY = ("holder", "host", "since", "command", "ci")


@contextmanager
def hold_lock(house: House, command: str, wait: float = 0.0, *, job: str = "") -> Iterator[Lease]:
    """Hold the stack's lock for a while, or that of a `job`.

    Raises LockedError after `wait` seconds without it, Conflict where its name is somebody else's.
    """
    if not wait >= 0:  # which is true of what is no number as well
        raise ConfigurationError(f"`{wait:g}` seconds are no time to wait for the lock")
    lease = _take(house, command, wait, job)
    try:
        yield lease
    finally:
        lease.release()


def _take(house: House, command: str, wait: float, job: str) -> Lease:
    holder = ""

    def attempt() -> Lease | None:
        nonlocal holder
        try:
            return house.engine.hold(_lock_spec(house, command, job))
        except Conflict:
            lock = _find_lock(house, job)
            seen = _describe_holder(lock)
            if not seen:
                _refuse_other_stack(house, job)
            if seen and not wait and not _is_ending(lock):
                raise _locked(seen) from None
            if seen and seen != holder:
                house.emit(Warned(f"waiting: {seen}"))  # what goes on is shown on terminals only
                house.emit(Waiting(f"until the lock is free: {seen}", wait or NAMELESS))
                holder = seen
            return None

    lease = poll(attempt, clock=house.clock, every=RETRY_EVERY, within=wait or NAMELESS)
    if lease is None:
        raise _locked(holder or f"somebody unknown holds the lock `{_name(house, job)}`")
    return lease


def _locked(holder: str) -> LockedError:
    return LockedError(
        holder, "wait for it with `--wait`; the lock frees itself when its holder ends"
    )


def require_held(lease: Lease) -> None:
    """Raise LockedError where the lock is no longer ours: somebody else may be at work."""
    if not lease.held:
        raise LockedError(LOST, PUT_RIGHT)


def describe_lock(lock: Container | None) -> dict[str, str] | None:
    """Return who holds the lock, from its labels."""
    if lock is None:
        return None
    return {key: lock.labels.get(naming.PREFIX + key, "") for key in HELD_BY}


def introduce(release: str, order: Order, engine: Whereabouts) -> Started:
    """Return the first event of a release: who asks for what, from where, and of which engine."""
    return Started(
        release=release,
        command=order.command,
        service=order.service,
        version=order.version,
        operator=operator(),
        host=socket.gethostname(),
        ci=ci_link(os.environ),
        stackctl=find_edition(),
        engine=engine,
    )


def operator() -> str:
    """Return the name of the person or job that runs stackctl."""
    try:
        return (
            os.environ.get("GITHUB_ACTOR")
            or os.environ.get("GITLAB_USER_LOGIN")
            or getpass.getuser()
        )
    except (KeyError, OSError):  # a user id without an entry in the user database
        return str(os.getuid())


def ci_link(environment: Mapping[str, str]) -> str:
    """Return the address of the CI job that runs stackctl; empty outside of CI."""
    if "GITHUB_RUN_ID" in environment:
        server, repository = (
            environment.get("GITHUB_SERVER_URL", ""),
            environment.get("GITHUB_REPOSITORY", ""),
        )
        return f"{server}/{repository}/actions/runs/{environment['GITHUB_RUN_ID']}"
    return environment.get("CI_JOB_URL", "")


def _name(house: House, job: str) -> str:
    return naming.part_name(house.stack.name, naming.job_lock(job) if job else "lock")


def _lock_spec(house: House, command: str, job: str) -> ContainerSpec:
    facts = {
        "holder": operator(),
        "host": socket.gethostname(),
        "process": str(os.getpid()),
        "since": house.clock.now().isoformat(timespec="seconds"),
        "command": command,
        "ci": ci_link(os.environ),
    }
    stack = house.stack
    return ContainerSpec(
        name=_name(house, job),
        image=stack.gateway.image,  # any image with `cat`; this one is there already
        labels=naming.labels(stack.name, "lock", **facts)
        | ({naming.ROLE: "job", naming.JOB: job} if job else {}),
        network=None,
    )


def _refuse_other_stack(house: House, job: str) -> None:
    """Raise Conflict where the lock's name is a container's that is none of this stack's."""
    name = _name(house, job)
    for found in house.engine.named(name):
        if (found.kind, found.name) == ("container", name) and found.owner != house.stack.name:
            raise Conflict(found.told, found.hint)


def _find_lock(house: House, job: str) -> Container | None:
    """Return the lock's container; None where the engine lists none (any more, or yet)."""
    found = (c for c in house.engine.containers(house.stack.name) if c.name == _name(house, job))
    return next(found, None)


def _is_ending(lock: Container | None) -> bool:
    """Whether whoever held the lock is gone, and the engine has yet to free it."""
    if lock is None or lock.state not in ("created", "running"):
        return True
    process = lock.labels.get(naming.PREFIX + "process", "")
    here = lock.labels.get(naming.PREFIX + "host") == socket.gethostname()
    if not here or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # somebody else's, or no number of a process
        return False
    return False


def _describe_holder(lock: Container | None) -> str:
    """Return who holds the lock; empty where nobody is listed."""
    facts = describe_lock(lock)
    if facts is None:
        return ""
    who = f"{facts['holder'] or 'somebody'} on {facts['host'] or 'another machine'}"
    since = f" since {facts['since']}" if facts["since"] else ""
    link = f" ({facts['ci']})" if facts["ci"] else ""
    job = lock.labels.get(naming.JOB, "") if lock else ""
    held = f"the lock of `{job}`" if job else "the lock"
    return f"`{facts['command'] or 'another command'}` by {who} holds {held}{since}{link}"
