"""What an operator does and sees: commands, requests, and who answers."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import docker
import docker.errors
import docker.utils
import yaml

from orchestrator.asking import ask_once
from orchestrator.clock import SystemClock, poll
from orchestrator.engine.docker import DockerEngine
from orchestrator.gateway.admin import Admin
from orchestrator.stack.load import load_variables
from orchestrator.stack.quantities import Address
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from orchestrator.asking import Answer

Seen = TypeVar("Seen")
REPOSITORY = Path(__file__).parents[2]
APP = Path(__file__).parent / "app"
IMPATIENT: dict[str, object] = {
    "health": {"interval": "20ms", "deadline": "5s"}
}  # for versions that never get well
STACKCTL: tuple[str, ...] = (sys.executable, "-m", "orchestrator")
EVERY_BYTE = bytes(range(256)) * 4096  # a megabyte, which no pipe takes at once
PATIENCE = 180  # seconds after which a command counts as hanging


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """Return the one JSON document on stdout."""
        return json.loads(self.stdout)


class Operator:
    """Somebody with a stack of their own on the real engine."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.stackctl = STACKCTL
        self.public, self.admin = free_port(), free_port()
        self.engine = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
        self.environment = {
            **os.environ,
            **load_variables(REPOSITORY / "stack.yaml"),
            "PYTHONPATH": str(REPOSITORY),
        }

    def install(self, program: Path) -> None:
        """Use an installed `stackctl` from now on, that knows nothing of this repository."""
        self.stackctl = (str(program),)
        del self.environment["PYTHONPATH"]

    def write_stack(
        self,
        service: dict[str, object] | None = None,
        beside: dict[str, str] | None = None,
        **gateway: object,
    ) -> None:
        """Write a stack.yaml with the test's app; the arguments change single keys of it.

        `beside` has further services of the same kind: their names and the paths they are at.
        """
        self.write_services(
            {
                **{name: describe_app(path) for name, path in (beside or {}).items()},
                "app": {**describe_app("/"), **(service or {})},
            },
            **gateway,
        )

    def write_services(self, services: dict[str, object], **gateway: object) -> None:
        """Write a stack.yaml with these services, which may be built from the test's app."""
        shutil.copytree(APP, self.folder / "app", dirs_exist_ok=True)
        self.write(
            {
                "version": 1,
                "name": self.name,
                "gateway": {
                    "image": "${IMAGE_PREFIX:-}nginx:1.30",
                    "listen": f"127.0.0.1:{self.public}",
                    "admin": f"127.0.0.1:{self.admin}",
                    "keepalive": "2s",
                    "drain_timeout": "8s",
                    **gateway,
                },
                "services": services,
            }
        )

    def write_platform(self, *services: str, address: str = "127.0.0.1") -> None:
        """Write the shipped stack.yaml with these services, or all, under this name and ports."""
        stack = yaml.safe_load((REPOSITORY / "stack.yaml").read_text())
        for name in set(stack["services"]) - set(services or stack["services"]):
            for need in stack["services"].pop(name)["needs"]:
                stack["accessories"].pop(need, None)
        known = stack["services"].keys() | stack["accessories"].keys()
        for service in stack["services"].values():
            service["needs"] = [need for need in service["needs"] if need in known]
        stack["name"] = self.name
        stack["gateway"] |= {
            "listen": f"{address}:{self.public}",
            "admin": f"127.0.0.1:{self.admin}",
            "keepalive": "2s",
            "drain_timeout": "8s",
        }
        for service in stack["services"].values():
            service["build"]["context"] = str(REPOSITORY / service["build"]["context"])
        self.environment["STACKCTL_ALLOW_OUTSIDE"] = "1"
        self.write(stack)

    def write(self, stack: dict[str, object]) -> None:
        """Write stack.yaml."""
        (self.folder / "stack.yaml").write_text(yaml.safe_dump(stack, sort_keys=False))

    def read(self) -> Any:
        """Return what stands in stack.yaml."""
        return yaml.safe_load((self.folder / "stack.yaml").read_text())

    def run(self, *arguments: str) -> Done:
        """Run a command to its end."""
        ended = subprocess.run(
            (*self.stackctl, *arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Done(ended.returncode, ended.stdout, ended.stderr)

    def pipe(self, *arguments: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end with something piped in, byte by byte."""
        return subprocess.run(
            (*self.stackctl, *arguments),
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command beside the test; it is killed if it outlives the block."""
        command = (*self.stackctl, *arguments)
        with running_beside(command, self.folder, self.environment) as process:
            yield process

    def up(self) -> Done:
        """Bring the stack up and insist that it came up."""
        done = self.run("up", "--output", "json")
        assert done.code == 0, done.stderr
        return done

    def deploy(self, version: str, *options: str) -> Done:
        """Release a version of the app."""
        return self.run("deploy", "app", "--version", version, "--output", "json", *options)

    @contextmanager
    def unbuildable(self) -> Iterator[None]:
        """Have the app's image end its build with an error.

        A command runs in it only then: that takes a container, and every release of a test builds an image.
        """
        file = self.folder / "app" / "Dockerfile"
        known = file.read_text()
        file.write_text(f"{known}RUN echo 'this version cannot be built'; exit 9\n")
        try:
            yield
        finally:
            file.write_text(known)

    def status(self) -> Any:
        """Return the status document."""
        return self.run("status", "--output", "json").document

    def evidence(self, done: Done) -> Any:
        """Return the evidence that a command's document points to."""
        return json.loads((self.folder / done.document["evidence"] / "evidence.json").read_text())

    def get(
        self, path: str = "/", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send one GET over a fresh connection to the public listener."""
        connection = http.client.HTTPConnection("127.0.0.1", self.public, timeout=30)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(body) if body.startswith(b"{") else {}

    def serving(self) -> str:
        """Return the version that answers users."""
        status, document = self.get()
        assert status == 200, document
        return str(document["version"])

    def served_version(self, path: str) -> str:
        """Return the version that the gateway says has answered, to whoever asks as a witness."""
        connection = http.client.HTTPConnection("127.0.0.1", self.public, timeout=30)
        try:
            connection.request("GET", path, headers={"X-Stackctl-Witness": "1"})
            answer = connection.getresponse()
            served = answer.headers["X-Stackctl-Served"] or ""
        finally:
            connection.close()
        lane = self.ask_gateway().lane(served.rpartition("_")[0])
        colors = (lane.active, lane.candidate, lane.outgoing, lane.kept) if lane else ()
        return next((c.version for c in colors if c and served.endswith(f"_{c.color}")), "")

    def containers(self, *, running: bool = True) -> list[str]:
        """Return the names of the stack's containers."""
        found = self.engine.containers(
            all=not running, filters={"label": f"io.stackctl.stack={self.name}"}
        )
        return sorted(container["Names"][0].lstrip("/") for container in found)

    def published(self) -> dict[str, list[int]]:
        """Return the host ports that each container of the stack publishes."""
        found = self.engine.containers(filters={"label": f"io.stackctl.stack={self.name}"})
        return {
            container["Names"][0].lstrip("/"): sorted(
                {port["PublicPort"] for port in container["Ports"] if "PublicPort" in port}
            )
            for container in found
        }

    def addresses(self) -> list[str]:
        """Return the addresses of all containers, on all networks they are on."""
        found = self.engine.containers(filters={"label": f"io.stackctl.stack={self.name}"})
        return [
            network["IPAddress"]
            for container in found
            for network in container["NetworkSettings"]["Networks"].values()
        ]

    def run_beside(self, image: str, script: str, arguments: list[str]) -> str:
        """Run a Python script in a container that is on none of the stack's networks."""
        label = {"io.stackctl.stack": self.name}  # so that it is removed in any case
        container = self.engine.create_container(
            image, ["python", "-c", script, *arguments], labels=label, user="65534"
        )
        self.engine.start(container)
        assert self.engine.wait(container, timeout=PATIENCE)["StatusCode"] == 0
        printed = self.engine.logs(container)
        self.engine.remove_container(container)
        return printed.decode().strip()

    def ask_replica(self, number: int) -> Answer:
        """Ask one replica of the active color, past the gateway, which passes on no path but health's.

        Raises Unanswered.
        """
        color = self.status()["services"][0]["active"]["color"]
        return self.ask_at(f"app-{color}-{number}", "/")

    def ask_at(self, replica: str, path: str) -> Answer:
        """Ask a replica at its own address, which the host reaches. Raises Unanswered."""
        found = self.engine.inspect_container(f"{self.name}-{replica}")["NetworkSettings"]
        address = found["Networks"][f"{self.name}-net"]["IPAddress"]
        return ask_once((address, 8000), path, 10)

    def ask_gateway(self) -> Admin:
        """Return the gateway's admin listener, and its public door."""
        return Admin(Address("127.0.0.1", self.admin), Address("127.0.0.1", self.public))

    def gateway_log(self) -> str:
        """Return what the gateway has printed so far."""
        return self.engine.logs(f"{self.name}-gateway").decode()

    def config_id(self) -> str:
        """Return the id of the config that NGINX serves, from a fresh connection."""
        return self.ask_gateway().serving() or ""

    def workers(self) -> frozenset[int]:
        """Return the host pids of NGINX's workers, those that are leaving too."""
        processes = DockerEngine(self.engine).processes(f"{self.name}-gateway")
        return frozenset(pid for pid, title in processes.items() if "worker process" in title)

    def tell_gateway(self, signal_name: str) -> None:
        """Send a signal to NGINX's master process."""
        self.engine.kill(f"{self.name}-gateway", signal=signal_name)

    def remove_everything(self) -> None:
        """Leave nothing of the stack on the engine, whatever state it is in."""
        label = {"label": f"io.stackctl.stack={self.name}"}
        for container in self.engine.containers(all=True, filters=label):
            if container["State"] == "paused":
                self.engine.unpause(container["Id"])
            self._remove_container(container["Id"])
        for network in self.engine.networks(filters=label):
            self.engine.remove_network(network["Id"])
        for volume in self.engine.volumes(filters=label)["Volumes"] or ():
            self.engine.remove_volume(volume["Name"])
        engine = DockerEngine(self.engine)
        for image in engine.images(self.name):
            for tag in image.handles:
                engine.remove_image(tag)
        self.engine.close()

    def _remove_container(self, container: str) -> None:
        try:
            self.engine.remove_container(container, force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code not in (404, 409):  # a lock may be removing itself just now
                raise

    def print_logs(self) -> None:
        """Print what every container said last, for whoever reads a failed test."""
        label = {"label": f"io.stackctl.stack={self.name}"}
        for container in self.engine.containers(all=True, filters=label):
            name, state = container["Names"][0].lstrip("/"), container["State"]
            try:
                printed = self.engine.logs(container["Id"]).decode(errors="replace").splitlines()
            except docker.errors.APIError as error:  # a container that is being removed has none
                printed = [str(error)]
            told = [line for line in printed if '"status":"2' not in line]
            print(f"--- {name} ({state})", *told[-25:], sep="\n")


@contextmanager
def running_beside(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run a program beside the test; it is killed if it outlives the block."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def describe_app(path: str) -> dict[str, object]:
    """Return the test's app as stack.yaml has it, for users who find it at a path."""
    return {
        "build": {"context": "app", "args": {"IMAGE_PREFIX": "${IMAGE_PREFIX:-}"}},
        "port": 8000,
        "replicas": 2,
        "read_only": True,
        "health": {"interval": "20ms", "deadline": "20s"},
        "routes": [{"path": path}],
        "stop_grace": "3s",
        "witness": [
            {"path": path},
            {"method": "POST", "path": path, "json": {"by": "witness"}},
        ],
    }


def wait_for(process: subprocess.Popen[str], phase: str) -> None:
    """Return once a release has come to the end of a phase."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if f"done {phase}" in line:
            return
    raise AssertionError(f"the release ended before the end of {phase}:\n{''.join(told)}")


def wait_until(seen: Callable[[], Seen | None], within: float = 30) -> Seen:
    """Return what is seen as soon as it is there; `within` is in seconds."""
    found = poll(seen, clock=SystemClock(), every=0.05, within=within)
    assert found is not None, "it did not come to pass"
    return found


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str, str]:
    """Send a signal to a command and return its code and what it printed."""
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    return process.returncode, stdout, stderr
