"""One attack beside honest users, and what it came to."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from docker.types import Ulimit

from orchestrator.clock import SystemClock
from orchestrator.gateway.admin import PUBLIC_PORT
from orchestrator.stack.load import load_stack
from tests.e2e.operator import REPOSITORY
from tests.e2e.users import open_client, sign_up, upload
from tests.hostile import attacker, frames, secure
from tests.hostile.gauge import Gauge
from tests.hostile.honest import Honest
from tests.hostile.outside import enforcing, going_outside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.e2e.operator import Operator
    from tests.e2e.users import User
    from tests.hostile.honest import Users

BEFORE, SECONDS, AFTER = 4, 20, 4  # seconds of a trial: without, with and without the attack
LARGE = 64  # MiB of the file that slow readers ask for
DESCRIPTORS = 19_900  # that the attacker may have open
MODULES = (attacker, frames, secure)
ATTACKER = ("-m", attacker.__name__)
BEHIND = "behind the firewall"
KILLED = "exited on signal 9"


class Scene(NamedTuple):
    """Where an attack is tried, and beside whom."""

    operator: Operator  # whose stack is attacked
    gateways: tuple[str, ...]  # containers with an NGINX that has a part in it
    network: str  # that the attacker is on as well
    port: int  # of the first gateway, there
    outside: int  # the same port, for those who come from beyond the host
    target: str  # of the attack
    users: Users
    place: str = ""  # in words


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
    """Let users of the platform live through an attack, from behind a firewall's rule if any."""
    with open_client(operator) as client:
        owner = sign_up(client)
        scene = Scene(
            operator,
            (f"{operator.name}-gateway",),
            f"{operator.name}-edge",
            PUBLIC_PORT,
            operator.public,
            choose_target(operator, name, owner),
            Honest(operator.public, owner),
        )
        return watch(scene, name, seconds, rule)


def watch(scene: Scene, name: str, seconds: int = SECONDS, rule: Sequence[str] = ()) -> Outcome:
    """Let the users of a scene live through an attack of so many seconds."""
    clock = SystemClock()
    killed = count_killed(scene)
    gauge = Gauge(scene.operator, *scene.gateways)
    with scene.users.living() as account, gauge.watching():
        clock.sleep(BEFORE)
        got = (
            attack_from_outside(scene, name, seconds, rule)
            if rule
            else attack(scene, name, seconds)
        )
        clock.sleep(AFTER)
    words = (name, scene.place, BEHIND if rule else "")
    return Outcome(
        attack=", ".join(word for word in words if word),
        what=inspect.getdoc(find_attack(name)) or "",
        got=got,
        sent=account.sent,
        lost=dict(account.lost),
        slowest=account.slowest,
        memory=(gauge.rest.memory, gauge.most.memory),
        disk=gauge.most.disk - gauge.rest.disk,
        killed=max(0, count_killed(scene) - killed),  # old lines are thrown away
    )


def find_attack(name: str) -> object:
    """Return the function of an attack."""
    return getattr(attacker, name, None) or getattr(secure, name)


def count_killed(scene: Scene) -> int:
    """Return how many workers the kernel has ended, by what NGINX says."""
    logs = (scene.operator.engine.logs(gateway).decode() for gateway in scene.gateways)
    return sum(log.count(KILLED) for log in logs)


def choose_target(operator: Operator, name: str, owner: User) -> str:
    """Return what an attack on the platform is aimed at."""
    if name == "readers":
        return f"/assets/{upload(operator, owner, LARGE)['id']}"
    return owner.email


def attack(scene: Scene, name: str, seconds: int) -> dict[str, int]:
    """Attack from a container beside the gateway, which has an address of its own."""
    engine = scene.operator.engine
    with attacking(scene, name, seconds) as container:
        done = engine.wait(container, timeout=seconds + 120)
        printed = engine.logs(container, stderr=False).decode()
        assert done["StatusCode"] == 0, engine.logs(container).decode()
    got: dict[str, int] = json.loads(printed)
    return got


def attack_from_outside(
    scene: Scene, name: str, seconds: int, rule: Sequence[str]
) -> dict[str, int]:
    """Attack from beyond the host, through its firewall."""
    with going_outside() as outside, enforcing(rule):
        facts = (name, outside.host, str(scene.outside), str(seconds), scene.target)
        done = subprocess.run(
            outside.within(sys.executable, *ATTACKER, *facts),
            check=True,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            timeout=seconds + 120,
        )
    got: dict[str, int] = json.loads(done.stdout)
    return got


@contextmanager
def attacking(scene: Scene, name: str, seconds: int) -> Iterator[str]:
    """Give the attacker's container, which runs."""
    engine, operator = scene.operator.engine, scene.operator
    image = load_stack(operator.folder / "stack.yaml", operator.environment).gateway.image
    door = engine.inspect_container(scene.gateways[0])["NetworkSettings"]["Networks"]
    host = door[scene.network]["IPAddress"]
    limits = [Ulimit(name="nofile", soft=DESCRIPTORS, hard=DESCRIPTORS)]
    container = engine.create_container(
        image.replace("nginx:1.30", "python:3.13-slim"),
        ["python", *ATTACKER, name, host, str(scene.port), str(seconds), scene.target],
        working_dir="/",
        labels={"io.stackctl.stack": operator.name},  # so that it is removed in any case
        host_config=engine.create_host_config(network_mode=scene.network, ulimits=limits),
    )["Id"]
    try:
        engine.put_archive(container, "/", pack_attacker())
        engine.start(container)
        yield container
    finally:
        engine.remove_container(container, force=True)


def pack_attacker() -> bytes:
    """Return the modules of the attacker as an archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for module in MODULES:
            content = inspect.getsource(module).encode()
            member = tarfile.TarInfo(f"{module.__name__.replace('.', '/')}.py")
            member.size, member.mode = len(content), 0o444
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def read_outcomes(file: Path) -> dict[str, Outcome]:
    """Return the outcomes of another run by their attacks; none where there is no such file."""
    if not file.exists():
        return {}
    return {facts["attack"]: Outcome(**facts) for facts in json.loads(file.read_text())}


def write_outcomes(file: Path, outcomes: list[Outcome]) -> None:
    """Keep the outcomes of a run."""
    file.write_text(json.dumps([each._asdict() for each in outcomes], indent=1) + "\n")
