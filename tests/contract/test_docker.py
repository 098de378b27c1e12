"""What only the real engine can show: how containers are hardened, and whose errors are whose."""

from __future__ import annotations

import inspect
import json
import signal
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
import requests
import requests.exceptions
import urllib3.exceptions
from requests.exceptions import HTTPError

from orchestrator.engine.connection import FOREIGN, connect, translated
from orchestrator.engine.payloads import HANDING_OVER
from orchestrator.engine.values import Ending
from orchestrator.errors import Conflict, EngineError, NotFound
from orchestrator.stack import naming
from tests.contract.bench import NOBODY, SLEEPER, TALKING, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# What the official database images do at their start, and what none of them has to.
HAND_OVER = """
import os, socket
os.makedirs("/data")
os.chown("/data", 999, 999)
try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
except PermissionError:
    os.setgroups([])
    os.setgid(999)
    os.setuid(999)
    open("/data/file", "w").close()
    print("handed over", "no raw socket")
"""
ON_DOCKER = pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])


def refuse(status: int, words: str) -> None:
    """Raise what docker-py raises where the engine answers so."""
    answer = requests.Response()
    answer.status_code = status
    answer._content = json.dumps({"message": words}).encode()
    answer.headers["Content-Type"] = "application/json"
    answer.url = "http://engine/"
    docker.errors.create_api_error_from_http_exception(HTTPError(response=answer))


def inspected(container: str) -> Any:
    """Return all that the engine knows of a container."""
    client = connect()
    try:
        return client.inspect_container(container)
    finally:
        client.close()


@ON_DOCKER
def test_a_container_has_no_rights_that_it_does_not_need(bench: Bench) -> None:
    """No capabilities, no new privileges, no root, nothing to write to but /tmp, and limits."""
    details = inspected(bench.run("app"))
    host = details["HostConfig"]

    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["Privileged"], host["ReadonlyRootfs"]) == (False, True)
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert {"noexec", "nosuid"} <= set(host["Tmpfs"]["/tmp"].split(","))
    assert (host["Memory"], host["MemorySwap"]) == (64 * 1024**2, 64 * 1024**2)
    assert (host["PidsLimit"], host["NanoCpus"]) == (64, 500_000_000)
    assert host["LogConfig"]["Config"]["max-size"]
    assert details["Config"]["User"] == NOBODY


@ON_DOCKER
def test_a_container_says_the_same_of_itself(bench: Bench) -> None:
    """Asked inside, its first process has no capability and cannot gain any."""
    look = "import os, pathlib; print(os.getuid(), pathlib.Path('/proc/1/status').read_text())"
    container = bench.run("app")
    said = bench.engine.execute(container, ("python", "-c", look)).text.split("\n")

    facts = dict(line.split(":\t") for line in said if ":\t" in line)
    assert said[0].startswith("65534 ")
    assert facts["CapEff"] == facts["CapBnd"] == "0000000000000000"
    assert facts["NoNewPrivs"] == "1"


@ON_DOCKER
def test_a_database_may_change_user_and_nothing_beyond_its_container(bench: Bench) -> None:
    """Official images start as root to hand their volume over to a user of their own."""
    spec = bench.spec("db", capabilities=True, user=None, read_only=False)
    container = bench.engine.run(spec)
    host = inspected(container)["HostConfig"]

    assert host["CapDrop"] == ["ALL"]
    assert sorted(host["CapAdd"]) == sorted(HANDING_OVER)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert "NET_RAW" not in host["CapAdd"]
    tried = bench.engine.execute(container, ("python", "-c", HAND_OVER))
    assert (tried.exit_code, tried.text.split()) == (0, ["handed", "over", "no", "raw", "socket"])


@ON_DOCKER
def test_a_fixed_address_has_a_mac_made_from_it(bench: Bench) -> None:
    """So that the next container at the address is found at once; it stays over a restart."""
    network = bench.engine.network(naming.network_name(bench.stack))
    assert network is not None
    address = next(network.addresses)
    container = bench.run("fixed", address=address)
    mac = ":".join(["02", "42", *(f"{int(part):02x}" for part in address.split("."))])

    def endpoint() -> tuple[str, str]:
        found = inspected(container)["NetworkSettings"]["Networks"][network.name]
        return found["IPAddress"], found["MacAddress"]

    assert endpoint() == (address, mac)
    bench.engine.stop(container, 0)
    bench.engine.start(container)
    assert endpoint() == (address, mac)


@ON_DOCKER
def test_a_network_made_anew_knows_a_container_by_its_aliases(bench: Bench) -> None:
    """And the container keeps its MAC: services find their database by the alias."""
    name = naming.network_name(bench.stack)
    network = bench.engine.network(name)
    assert network is not None
    container = bench.run("app", address=next(network.addresses), aliases=("known",))

    def endpoint() -> tuple[str, str, str]:
        found = inspected(container)["NetworkSettings"]["Networks"][name]
        asked = ("python", "-c", "import socket; print(socket.gethostbyname('known'))")
        return found["IPAddress"], found["MacAddress"], bench.engine.execute(container, asked).text

    before = endpoint()
    bench.engine.stop(container, 0)
    bench.engine.remove_network(name)
    bench.engine.ensure_network(name, network.labels, subnet=network.subnet)
    bench.engine.start(container)
    assert endpoint() == before


@ON_DOCKER
def test_the_engine_brings_back_what_is_persistent_and_nothing_else(bench: Bench) -> None:
    """Whatever it was made as; `unless-stopped` would leave all down after a kill of the engine."""
    container = bench.run("app", persistent=False)

    def policy() -> str:
        return str(inspected(container)["HostConfig"]["RestartPolicy"]["Name"])

    assert policy() == "no"
    bench.engine.persist(container)
    assert policy() == "always"
    bench.engine.unpersist(container)
    assert policy() == "no"
    bench.engine.unpersist("0" * 64)


@ON_DOCKER
def test_who_dies_while_a_subnet_is_chosen_leaves_nothing_in_the_way(bench: Bench) -> None:
    """What is left has a name of its own, and the next one goes on with it."""
    name, labels = bench.name("chosen"), naming.labels(bench.stack, "gateway")
    client = connect()
    try:
        client.create_network(f"{name}-probe", driver="bridge", labels=dict(labels))
        network = bench.engine.ensure_network(name, labels)
        assert network.pool
        assert client.networks(filters={"name": f"{name}-probe"}) == []
    finally:
        bench.engine.remove_network(name)
        client.close()


@ON_DOCKER
def test_a_subnet_that_is_taken_is_told_with_what_to_do(bench: Bench) -> None:
    """In our words, not in the engine's."""
    network = bench.engine.network(naming.network_name(bench.stack))
    assert network is not None
    labels = naming.labels(bench.stack, "gateway")
    with pytest.raises(Conflict, match=f"the subnet {network.subnet} is taken") as caught:
        bench.engine.ensure_network(bench.name("again"), labels, subnet=network.subnet)

    assert "network: {subnet: " in str(caught.value.hint)
    assert bench.engine.network(bench.name("again")) is None


@ON_DOCKER
def test_the_lock_has_neither_network_nor_rights(bench: Bench) -> None:
    """It runs `cat` and nothing else."""
    spec = bench.spec("lock")
    lease = bench.engine.hold(spec)
    (held,) = bench.engine.containers(bench.stack)
    details = inspected(held.id)
    lease.release()

    host = details["HostConfig"]
    assert details["Config"]["Entrypoint"] == ["cat"]
    assert (host["NetworkMode"], host["CapDrop"], host["ReadonlyRootfs"]) == ("none", ["ALL"], True)
    assert details["Config"]["User"] == NOBODY
    assert host["AutoRemove"]


def foreign() -> Iterator[type[Exception]]:
    """Yield every exception class that docker-py or what it is built on may raise."""
    yield from _classes(docker.errors)
    yield from _classes(requests.exceptions)
    yield from _classes(urllib3.exceptions)
    yield from (OSError, ConnectionResetError, TimeoutError)


def _classes(module: ModuleType) -> Iterator[type[Exception]]:
    """Yield the exceptions that a module defines itself."""
    for member in vars(module).values():
        own = inspect.isclass(member) and member.__module__ == module.__name__
        if own and issubclass(member, Exception) and not issubclass(member, Warning):
            yield member


@pytest.mark.parametrize("kind", sorted(set(foreign()), key=str), ids=lambda kind: kind.__name__)
def test_no_foreign_exception_leaves_the_engine(kind: type[Exception]) -> None:
    """A new class of docker-py, requests or urllib3 that nobody translates fails here."""
    assert issubclass(kind, FOREIGN)


@pytest.mark.parametrize(
    "error",
    [
        docker.errors.DockerException("its words"),
        docker.errors.StreamParseError("its words"),
        requests.exceptions.ReadTimeout("its words"),
        BrokenPipeError("its words"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_foreign_exception_becomes_an_engine_error(error: Exception) -> None:
    """It says what was being done, and keeps the words and the cause."""
    with pytest.raises(EngineError, match="doing it: its words") as caught, translated("doing it"):
        raise error

    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [requests.exceptions.ConnectionError("cut"), urllib3.exceptions.ProtocolError("cut")],
    ids=["requests", "urllib3"],
)
def test_an_engine_that_is_gone_has_a_hint(error: Exception) -> None:
    """The next command tells whether it runs."""
    with pytest.raises(EngineError, match="does not answer") as caught, translated("doing it"):
        raise error

    assert caught.value.hint
    assert "docker info" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "expected"), [(404, NotFound), (409, Conflict), (500, EngineError)]
)
def test_the_status_of_an_answer_tells_the_kinds_apart(
    status: int, expected: type[EngineError]
) -> None:
    """Never the words, which change with the engine's version."""
    with pytest.raises(EngineError) as caught, translated("doing it"):
        refuse(status, "because.")

    assert type(caught.value) is expected
    assert caught.value.message == "doing it: because"


def test_an_answer_without_words_is_told_without_its_address() -> None:
    """All arguments of a build stand in that."""
    with pytest.raises(EngineError) as caught, translated("doing it"):
        refuse(500, "")

    assert caught.value.message == "doing it: status 500"


@pytest.mark.parametrize(
    "words",
    [
        "Bind for 127.0.0.1:8080 failed: port is already allocated",
        "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
        "failed to bind host port for 127.0.0.1:8080:172.18.0.2:80/tcp: address already in use",
        "failed to bind host port 127.0.0.1:8080/tcp: address already in use",
    ],
)
def test_a_port_that_is_taken_is_named(words: str) -> None:
    """As engines of different ages tell it, among much else."""
    with pytest.raises(EngineError) as caught, translated("starting `it`"):
        refuse(500, f"driver failed programming external connectivity on endpoint it: {words}")

    assert caught.value.message == "`127.0.0.1:8080` is taken by somebody else"
    assert caught.value.hint
    assert "ss -ltnp" in caught.value.hint


@ON_DOCKER
@pytest.mark.parametrize(
    ("init", "code"), [(True, 128 + signal.SIGTERM), (False, 128 + signal.SIGKILL)]
)
def test_what_does_not_handle_sigterm_ends_at_it_under_an_init(
    bench: Bench, *, init: bool, code: int
) -> None:
    """As the first process it would ignore it, and be killed once its time is over."""
    container = bench.run("app", SLEEPER, init=init)
    bench.engine.stop(container, 1)

    assert bench.engine.ending(container) == Ending(code)


def test_an_engine_without_an_init_is_told_as_that() -> None:
    """In our words, with what to do."""
    with pytest.raises(EngineError) as caught, translated("starting `it`"):
        refuse(500, 'exec: "docker-init": executable file not found in $PATH')

    assert caught.value.message == "starting `it`: the engine has no `docker-init`"
    assert "`init: false`" in str(caught.value.hint)


@ON_DOCKER
def test_a_container_that_was_sent_a_signal_is_still_brought_back(bench: Bench) -> None:
    """NGINX gets a HUP with every release; when it then ends, the engine starts it again."""
    gateway = bench.run("app", TALKING, stop_signal="QUIT")
    bench.until(lambda: "three" in bench.engine.logs(gateway) or None)
    first = inspected(gateway)["State"]["Pid"]
    bench.engine.signal(gateway, "CONT")

    bench.engine.execute(gateway, ("sh", "-c", "kill -TERM 1"))

    bench.until(lambda: inspected(gateway)["State"]["Pid"] not in (0, first) or None)
