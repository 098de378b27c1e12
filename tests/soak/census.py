"""What a stack holds on its machine: counted when nobody sends, so that counts can be equal."""

from __future__ import annotations

import subprocess
from statistics import median
from typing import TYPE_CHECKING, Any

from orchestrator.clock import SystemClock, poll
from orchestrator.gateway.files import CONFIGS
from tests.e2e.load import find_k6
from tests.soak import host
from tests.soak.halt import Halted
from tests.soak.switches import list_workers

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

# Longer than any socket is kept: clients' by NGINX 2.7 s, NGINX's to the app 4 s.
SETTLE = 8.0  # seconds
LOOKS = 5  # whose median counts, a second apart
PATIENCE = 60.0  # seconds for the last old worker to leave

MEMORY = "memory of the gateway, MiB"
MASTER_MEMORY = "memory of NGINX's master process, MiB"
FILES = "open files of the gateway"
WORKERS = "NGINX workers"
LEAVING = "NGINX workers that are leaving"
STORED = "configs in the gateway"
CONTAINERS = "containers"
NETWORKS = "networks"
VOLUMES = "volumes"
IMAGES = "images"
ENGINE_FILES = "open files of the Docker engine"
ENGINE_IMAGES = "images on the engine, intermediate ones too"

Census = dict[str, float | None]  # a figure by its name; None where it could not be read


def find_master(operator: Operator) -> int:
    """Return the host pid of NGINX's master process."""
    pid: int = operator.engine.inspect_container(gateway(operator))["State"]["Pid"]
    return pid


def gateway(operator: Operator) -> str:
    """Return the name of the gateway's container."""
    return f"{operator.name}-gateway"


def take(operator: Operator) -> Census:
    """Count once nothing changes any more. Raises Halted where that does not come to pass."""
    master, clock = find_master(operator), SystemClock()

    def is_quiet() -> bool | None:
        return not list_workers(master).leaving or None

    if not poll(is_quiet, clock=clock, every=0.2, within=PATIENCE):
        raise Halted(f"old NGINX workers still live {PATIENCE:g} s after the last release")
    clock.sleep(SETTLE)
    looks = []
    for _ in range(LOOKS):
        looks.append({**count_processes(master), **count_objects(operator)})
        clock.sleep(1)
    return {name: middle([look[name] for look in looks]) for name in looks[0]}


def count_processes(master: int) -> Census:
    """Return the figures of NGINX and of the engine, from the host's process table."""
    workers = list_workers(master)
    processes = [master, *host.find_children(master)]
    files = [host.count_files(pid) for pid in processes]
    dockerd = host.find_by_name("dockerd")
    return {
        MEMORY: sum(host.read_memory(pid) for pid in processes),
        MASTER_MEMORY: host.read_memory(master),
        FILES: None if None in files else sum(count or 0 for count in files),
        WORKERS: len(workers.accepting),
        LEAVING: len(workers.leaving),
        ENGINE_FILES: None if dockerd is None else host.count_files(dockerd),
    }


def count_objects(operator: Operator) -> Census:
    """Return how many things on the engine wear the stack's label."""
    engine: Any = operator.engine
    label = {"label": f"io.stackctl.stack={operator.name}"}
    return {
        CONTAINERS: len(engine.containers(all=True, filters=label)),
        NETWORKS: len(engine.networks(filters=label)),
        VOLUMES: len(engine.volumes(filters=label)["Volumes"] or ()),
        IMAGES: len(engine.images(filters=label)),
        STORED: len(list_configs(operator)),
        ENGINE_IMAGES: len(engine.images(all=True)),
    }


def list_configs(operator: Operator) -> list[str]:
    """Return the ids of the configs in the gateway."""
    engine: Any = operator.engine
    started = engine.exec_create(gateway(operator), ["ls", CONFIGS])
    names: list[str] = engine.exec_start(started).decode().split()
    return names


def middle(values: list[float | None]) -> float | None:
    """Return the median; None where a value is missing."""
    known = [value for value in values if value is not None]
    return median(known) if len(known) == len(values) else None


def read_versions(operator: Operator) -> dict[str, str]:
    """Return the versions of the programs that a soak runs on."""
    engine: Any = operator.engine
    started = engine.exec_create(gateway(operator), ["nginx", "-v"])
    nginx = engine.exec_start(started).decode().strip().rpartition("/")[2]
    k6 = subprocess.run((find_k6(), "version"), capture_output=True, text=True, check=True)
    return {
        "NGINX": nginx,
        "Docker Engine": engine.version()["Version"],
        "k6": k6.stdout.split()[1],
    }
