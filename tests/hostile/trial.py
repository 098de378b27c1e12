"""One attack beside forty honest users, and what it came to."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from docker.types import Ulimit

from orchestrator.clock import SystemClock
from orchestrator.gateway.admin import PUBLIC_PORT
from orchestrator.stack.load import load_stack
from tests.e2e.users import open_client, sign_up, upload
from tests.hostile import attacker
from tests.hostile.gauge import Gauge
from tests.hostile.honest import Honest
from tests.hostile.outside import enforcing, going_outside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.e2e.operator import Operator
    from tests.e2e.users import User

BEFORE, SECONDS, AFTER = 4, 20, 4  # seconds of a trial: without, with and without the attack
LARGE = 64  # MiB of the file that slow readers ask for
DESCRIPTORS = 19_900  # that the attacker may have open
SCRIPT = inspect.getsource(attacker)
BEHIND = "behind the firewall"
KILLED = "exited on signal 9"


class Outcome(NamedTuple):
    """What honest users and the gateway saw of an attack."""

    attack: str
    what: str  # it does, in words
    got: dict[str, int]  # by the attacker: statuses and states of connections
    sent: int  # by honest users
    lost: dict[str, int]  # by the reason
    slowest: float  # seconds
    memory: tuple[float, float]  # MiB of NGINX, at rest and at most
    disk: float  # MiB that the engine's disk held more than at rest, at most
    killed: int  # workers of NGINX that the kernel ended

    @property
    def lost_in_all(self) -> int:
        """Return how many honest requests were lost."""
        return sum(self.lost.values())


def attempt(
    operator: Operator, name: str, seconds: int = SECONDS, rule: Sequence[str] = ()
) -> Outcome:
    """Let the users live through an attack of so many seconds, from behind a firewall's rule if any."""
    clock = SystemClock()
    with open_client(operator) as client:
        owner = sign_up(client)
        target = choose_target(operator, name, owner)
        killed = operator.gateway_log().count(KILLED)
        gauge = Gauge(operator)
        with Honest(operator.public, owner).living() as account, gauge.watching():
            clock.sleep(BEFORE)
            got = (
                attack_from_outside(operator, name, target, seconds, rule)
                if rule
                else attack(operator, name, target, seconds)
            )
            clock.sleep(AFTER)
    return Outcome(
        attack=f"{name}, {BEHIND}" if rule else name,
        what=inspect.getdoc(getattr(attacker, name)) or "",
        got=got,
        sent=account.sent,
        lost=dict(account.lost),
        slowest=account.slowest,
        memory=(gauge.rest.memory, gauge.most.memory),
        disk=gauge.most.disk - gauge.rest.disk,
        killed=max(0, operator.gateway_log().count(KILLED) - killed),  # old lines are thrown away
    )


def choose_target(operator: Operator, name: str, owner: User) -> str:
    """Return what the attack is aimed at."""
    if name == "readers":
        return f"/assets/{upload(operator, owner, LARGE)['id']}"
    return owner.email


def attack(operator: Operator, name: str, target: str, seconds: int) -> dict[str, int]:
    """Attack from a container beside the gateway, which has an address of its own."""
    with attacking(operator, name, target, seconds) as container:
        done = operator.engine.wait(container, timeout=seconds + 120)
        printed = operator.engine.logs(container, stderr=False).decode()
        assert done["StatusCode"] == 0, operator.engine.logs(container).decode()
    got: dict[str, int] = json.loads(printed)
    return got


def attack_from_outside(
    operator: Operator, name: str, target: str, seconds: int, rule: Sequence[str]
) -> dict[str, int]:
    """Attack from beyond the host, through its firewall."""
    with going_outside() as outside, enforcing(rule):
        facts = (name, outside.host, str(operator.public), str(seconds), target)
        done = subprocess.run(
            outside.within(sys.executable, "-c", SCRIPT, *facts),
            check=True,
            stdout=subprocess.PIPE,
            timeout=seconds + 120,
        )
    got: dict[str, int] = json.loads(done.stdout)
    return got


@contextmanager
def attacking(operator: Operator, name: str, target: str, seconds: int) -> Iterator[str]:
    """Give the attacker's container, which runs."""
    engine = operator.engine
    image = load_stack(operator.folder / "stack.yaml", operator.environment).gateway.image
    edge = f"{operator.name}-edge"
    door = engine.inspect_container(f"{operator.name}-gateway")["NetworkSettings"]["Networks"]
    host = door[edge]["IPAddress"]
    limits = [Ulimit(name="nofile", soft=DESCRIPTORS, hard=DESCRIPTORS)]
    container = engine.create_container(
        image.replace("nginx:1.30", "python:3.13-slim"),
        ["python", "-c", SCRIPT, name, host, str(PUBLIC_PORT), str(seconds), target],
        labels={"io.stackctl.stack": operator.name},  # so that it is removed in any case
        host_config=engine.create_host_config(network_mode=edge, ulimits=limits),
    )["Id"]
    try:
        engine.start(container)
        yield container
    finally:
        engine.remove_container(container, force=True)


def read_outcomes(file: Path) -> dict[str, Outcome]:
    """Return the outcomes of another run by their attacks; none where there is no such file."""
    if not file.exists():
        return {}
    return {facts["attack"]: Outcome(**facts) for facts in json.loads(file.read_text())}


def write_outcomes(file: Path, outcomes: list[Outcome]) -> None:
    """Keep the outcomes of a run."""
    file.write_text(json.dumps([each._asdict() for each in outcomes], indent=1) + "\n")
