"""One release at a time: the stack's lock, and who holds it."""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.engine.base import Container, ContainerSpec, Lease
from orchestrator.errors import Conflict, LockedError
from orchestrator.events import Progress
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.release.house import House

RETRY_EVERY = 0.3
HELD_BY = ("holder", "host", "since", "command", "ci")


@contextmanager
def hold_lock(house: House, command: str, wait: float = 0.0) -> Iterator[Lease]:
    """Hold the stack's lock for a while. Raises LockedError after `wait` seconds without it."""
    spec = _lock_spec(house, command)

    told = ""

    def take() -> Lease | None:
        nonlocal told
        try:
            return house.engine.hold(spec)
        except Conflict:
            if wait and (who := _describe_holder(house)) != told:
                house.emit(Progress(f"waiting: {who}"))
                told = who
            return None

    lease = poll(take, clock=house.clock, every=RETRY_EVERY, within=wait)
    if lease is None:
        raise LockedError(
            _describe_holder(house),
            "wait for it with `--wait`; the lock frees itself when its holder ends",
        )
    try:
        yield lease
    finally:
        lease.release()


def describe_lock(lock: Container | None) -> dict[str, str] | None:
    """Return who holds the lock, from its labels."""
    if lock is None:
        return None
    return {key: lock.labels.get(naming.PREFIX + key, "") for key in HELD_BY}


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


def _lock_spec(house: House, command: str) -> ContainerSpec:
    facts = {
        "holder": operator(),
        "host": socket.gethostname(),
        "since": house.clock.now().isoformat(timespec="seconds"),
        "command": command,
        "ci": ci_link(os.environ),
    }
    stack = house.stack
    return ContainerSpec(
        name=naming.part_name(stack.name, "lock"),
        image=stack.gateway.image,  # any image with `cat`; this one is there already
        labels=naming.labels(stack.name, "lock", **facts),
        network=None,
    )


def _describe_holder(house: House) -> str:
    holder = next(
        (
            container
            for container in house.engine.containers(house.stack.name)
            if container.labels.get(naming.ROLE) == "lock"
        ),
        None,
    )
    facts = describe_lock(holder) or {}
    who = f"{facts.get('holder') or 'somebody'} on {facts.get('host') or 'another machine'}"
    since = f" since {facts['since']}" if facts.get("since") else ""
    link = f" ({facts['ci']})" if facts.get("ci") else ""
    return f"`{facts.get('command') or 'another command'}` by {who} holds the lock{since}{link}"
