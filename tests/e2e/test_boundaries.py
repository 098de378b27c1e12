"""Who gets where: the admin listener is for the host alone, and nothing runs with more than it needs.

One stack is the shipped platform, whose network is internal; the other has one network for all.
"""

from __future__ import annotations

import json
import secrets
import signal
import socket
from typing import TYPE_CHECKING, NamedTuple

import pytest

from orchestrator.gateway.admin import ADMIN_PORT, PUBLIC_PORT
from orchestrator.gateway.admission import PLACE
from orchestrator.gateway.config import MARK
from orchestrator.stack.load import load_stack
from tests.e2e.operator import Operator, wait_for, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("boundaries")

# Sends requests as they are to hosts and ports, and prints what came back; "" where nothing did.
ASKER = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def ask(each):
    host, port, request = each
    try:
        with socket.create_connection((host, port), timeout=2) as wire:
            wire.sendall(request.encode())
            return b"".join(iter(lambda: wire.recv(65536), b"")).decode(errors="replace")
    except OSError:
        return ""
with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(ask, json.loads(sys.argv[1])))))
"""
STATUS = ("sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null")  # of every process that stays
MOUNTS = ("cat", "/proc/mounts")
READERS = (  # commands that print what they find
    ("status", "--output", "json"),
    ("plan", "app", "--version", "v3"),
    ("render",),
    ("validate",),
    ("history",),
    ("evidence", "show"),
    ("logs", "app"),
    ("logs", "gateway"),
)


class Process(NamedTuple):
    """What the kernel says of a process."""

    name: str
    user: int
    effective: str  # capabilities
    no_new_privileges: str


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Somebody who runs the shipped stack: services on an internal network, the gateway on two."""
    operator = Operator(tmp_path_factory.mktemp("platform"), f"t{secrets.token_hex(3)}")
    try:
        operator.write_platform()
        operator.up()
        yield operator
    finally:
        operator.remove_everything()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Somebody whose app and gateway are on one network, with a way out."""
    operator = Operator(tmp_path_factory.mktemp("shared"), f"t{secrets.token_hex(3)}")
    try:
        operator.write_stack({"routes": [{"path": "/app/"}], "witness": [{"path": "/app/"}]})
        operator.up()
        yield operator
    finally:
        operator.remove_everything()


@pytest.fixture(params=["platform", "shared"])
def stack(request: pytest.FixtureRequest) -> Operator:
    """Give the one, then the other."""
    operator = request.getfixturevalue(request.param)
    assert isinstance(operator, Operator)
    return operator


def networks(operator: Operator) -> dict[str, dict[str, str]]:
    """Return the stack's networks: the gateway container's address and the host's in each."""
    found = operator.engine.inspect_container(f"{operator.name}-gateway")
    return {
        name: {"gateway": on["IPAddress"], "host": subnet_host(operator, name)}
        for name, on in found["NetworkSettings"]["Networks"].items()
    }


def subnet_host(operator: Operator, network: str) -> str:
    """Return the address that the host has on a network's bridge."""
    return str(operator.engine.inspect_network(network)["IPAM"]["Config"][0]["Gateway"])


def admin_paths(operator: Operator) -> list[str]:
    """Return every path that the admin listener answers, and one that it does not."""
    service = "notes" if "platform" in str(operator.folder) else "app"
    return [
        "/serving",
        "/config",
        "/current",
        "/connections",
        f"/probe/{service}-blue-1/health",
        f"/preview/{service}/blue/health",
        f"/lane/{service}",
        "/lanes",
        f"/busy/{service}_blue",
        "/",
    ]


def plain(path: str, *headers: str, host: str = "gateway:8081") -> str:
    """Return a request as it is sent."""
    return "\r\n".join(
        (f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "Connection: close\r\n\r\n")
    )


def tricks(path: str, host: str) -> list[str]:
    """Return requests that claim to come from somewhere else."""
    claims = [
        plain(path, f"{name}: {address}")
        for name in ("X-Forwarded-For", "X-Real-IP", "Client-IP", "True-Client-IP")
        for address in (host, "127.0.0.1")
    ]
    return [
        *claims,
        plain(path, f"Forwarded: for={host}"),
        plain(path, host="127.0.0.1:8081"),
        plain(path, host="localhost"),
        plain(path, host=host),
        plain(f"http://127.0.0.1:8081{path}"),
        plain(f"//{path}"),
        f"GET {path} HTTP/1.0\r\n\r\n",
        f"GET {path}\r\n",
        f"PROXY TCP4 {host} {host} 40000 8081\r\n{plain(path)}",
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        f"OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    ]


def ask_inside(operator: Operator, container: str, asked: list[tuple[str, int, str]]) -> list[str]:
    """Send requests from inside a container."""
    started = operator.engine.exec_create(container, ["python", "-c", ASKER, json.dumps(asked)])
    printed = operator.engine.exec_start(started["Id"])
    assert operator.engine.exec_inspect(started["Id"])["ExitCode"] == 0, printed
    answers: list[str] = json.loads(printed)
    return answers


def start_stranger(operator: Operator, network: str) -> str:
    """Start a container of somebody else on a network of the stack, with the engine's usual rights."""
    image = load_stack(operator.folder / "stack.yaml", operator.environment).gateway.image
    container = operator.engine.create_container(
        image.replace("nginx:1.30", "python:3.13-slim"),
        ["sleep", "600"],
        labels={"io.stackctl.stack": operator.name},  # so that it is removed in any case
        host_config=operator.engine.create_host_config(network_mode=network),
    )
    operator.engine.start(container)
    return str(container["Id"])


def answers_from_everywhere(operator: Operator) -> list[str]:
    """Return what containers on the stack's networks get of the admin listener, try as they may."""
    found = networks(operator)
    (replica,) = [n for n in operator.containers() if n.endswith(("-app-blue-1", "-notes-blue-1"))]
    answers = ask_inside(operator, replica, wishes(operator, found[f"{operator.name}-net"]))
    for network, addresses in found.items():
        stranger = start_stranger(operator, network)
        try:
            answers += ask_inside(operator, stranger, wishes(operator, addresses))
        finally:
            operator.engine.remove_container(stranger, force=True)
    return answers


def wishes(operator: Operator, addresses: dict[str, str]) -> list[tuple[str, int, str]]:
    """Return all that somebody on a network may try."""
    paths = admin_paths(operator)
    here = [(addresses["gateway"], ADMIN_PORT, plain(path)) for path in paths]
    claimed = [
        (addresses["gateway"], ADMIN_PORT, trick)
        for path in ("/serving", "/config", "/lanes", paths[4])
        for trick in tricks(path, addresses["host"])
    ]
    elsewhere = [
        (host, port, plain("/config"))
        for host in (*everywhere(operator), addresses["host"])
        for port in (ADMIN_PORT, operator.admin)
    ]
    return [*here, *claimed, *elsewhere]


def everywhere(operator: Operator) -> list[str]:
    """Return the gateway container's addresses and those of the host, on all networks."""
    return [address for pair in networks(operator).values() for address in pair.values()]


def assert_nothing_was_told(operator: Operator, answers: list[str]) -> None:
    """Insist on refusals, and that no word of what the admin listener knows is among them."""
    statuses = {answer.split(" ")[1] for answer in answers if answer.startswith("HTTP/1.1 ")}
    assert statuses <= {"400", "403"}
    bodies = [answer for answer in answers if answer and not answer.startswith("HTTP/1.1 ")]
    assert all("403 Forbidden" in body for body in bodies)  # what HTTP/0.9 gets
    for word in (operator.config_id(), "Active connections", MARK, '"status"', "upstream"):
        assert word not in "".join(answers)


def assert_the_host_is_answered(operator: Operator) -> None:
    """Insist that the host gets what the admin listener is for."""
    admin = operator.ask_gateway()
    paths = admin_paths(operator)
    assert admin.serving()
    assert admin.config().startswith(MARK)
    assert admin.current() == admin.config()
    assert admin.connections() is not None
    replica, _, path = paths[4].removeprefix("/probe/").partition("/")
    assert admin.probe(replica, f"/{path}", 10).status == 200
    assert len(admin.lanes()) == len(operator.status()["services"])


def test_no_container_gets_an_answer_of_the_admin_listener(stack: Operator) -> None:
    """Not a service, not a stranger on any of the stack's networks, and not by claiming anything."""
    assert set(networks(stack)) in (
        {f"{stack.name}-net"},
        {f"{stack.name}-net", f"{stack.name}-edge"},
    )
    answers = answers_from_everywhere(stack)
    assert "403" in {answer[9:12] for answer in answers}  # it was reached, and it refused
    assert_nothing_was_told(stack, answers)
    assert_the_host_is_answered(stack)


def test_containers_still_reach_the_public_listener(stack: Operator) -> None:
    """Services fetch each other's public keys there."""
    address = networks(stack)[f"{stack.name}-net"]["gateway"]
    (replica,) = [n for n in stack.containers() if n.endswith(("-app-blue-1", "-notes-blue-1"))]
    path = "/app/" if "-app-" in replica else "/auth/.well-known/jwks.json"
    (answer,) = ask_inside(stack, replica, [(address, PUBLIC_PORT, plain(path))])
    assert answer.startswith("HTTP/1.1 200 ")


def test_a_restart_finds_the_host_again(stack: Operator) -> None:
    """The rule is made at each start; one of earlier that names a container's address is gone."""
    gateway = f"{stack.name}-gateway"
    everybody = "".join(f"10.0.0.{number} 0;" for number in range(1, 255))
    replace = ["sh", "-c", f"echo '{everybody}' >{PLACE}.map"]
    stack.engine.exec_start(stack.engine.exec_create(gateway, replace)["Id"])
    stack.engine.restart(gateway, timeout=10)

    assert wait_until(lambda: stack.config_id() or None)
    started = stack.engine.exec_create(gateway, ["cat", f"{PLACE}.map"])
    admitted = stack.engine.exec_start(started["Id"]).decode().split()
    edge = f"{stack.name}-net" if len(networks(stack)) == 1 else f"{stack.name}-edge"
    assert admitted == [subnet_host(stack, edge), "0;"]
    assert_the_host_is_answered(stack)
    assert_nothing_was_told(stack, answers_from_everywhere(stack))


def test_a_gateway_of_an_earlier_stackctl_is_not_locked_out(shared: Operator) -> None:
    """It was started without the rule: the test of the next config looks the host up."""
    gateway = f"{shared.name}-gateway"
    forget = shared.engine.exec_create(gateway, ["rm", f"{PLACE}.map"])
    shared.engine.exec_start(forget["Id"])
    before = shared.config_id()
    shared.write_stack({"routes": [{"path": "/app/"}, {"path": "/more/"}], "witness": []})
    done = shared.run("deploy", "app", "--version", f"v{secrets.token_hex(3)}", "--output", "json")

    assert done.code == 0, done.stderr
    assert shared.config_id() not in ("", before)


def test_nobody_but_the_host_sees_a_preview(shared: Operator) -> None:
    """Of either color, whoever gets the traffic."""
    network = f"{shared.name}-net"
    address = networks(shared)[network]
    stranger = start_stranger(shared, network)
    paths = [f"/preview/app/{color}/health" for color in ("blue", "green")]
    asked = [
        (address["gateway"], ADMIN_PORT, request)
        for path in paths
        for request in (plain(path), *tricks(path, address["host"]))
    ]
    color = shared.status()["services"][0]["active"]["color"]
    assert shared.ask_gateway().preview("app", color, "/health", 5).status == 200
    answers = ask_inside(shared, stranger, asked)
    shared.engine.remove_container(stranger, force=True)
    assert_nothing_was_told(shared, answers)


def variants(path: str) -> Iterator[str]:
    """Yield a path as somebody may write it to get around a filter."""
    first, rest = path[1:2], path[2:]
    yield from (path, f"{path}/", f"//{path[1:]}", f"/.{path}", f"/app/..{path}", f"{path}?a=/app/")
    yield from (f"/%{ord(first):02x}{rest}", f"/app/%2e%2e{path}", f"/app%2f..%2f{path[1:]}")
    yield from (f"/%2e{path}", f"/;{path}", f"\\{path[1:]}", f"{path}%00", f"{path}%20", f"{path}#")
    yield from (f"http://127.0.0.1:8081{path}", f"http://gateway:8081{path}", f"https://x{path}")
    yield f"http://x@127.0.0.1:8081{path}"


def test_no_admin_path_is_behind_the_public_listener(shared: Operator) -> None:
    """However it is written, and whatever host it is asked of."""
    hosts = ("gateway", "127.0.0.1:8081", "localhost:8081", f"{shared.name}-gateway:8081", "", "_")
    requests = [
        plain(variant, host=host)
        for path in (*admin_paths(shared)[:-1], "/stackctl/problem", "/@unreached", "/again_app_0")
        for variant in variants(path)
        for host in hosts
    ]
    answers = [ask(shared.public, request) for request in requests]

    assert len(answers) > 900
    assert {answer[9:12] for answer in answers} <= {"400", "404"}
    for word in (shared.config_id(), "Active connections", MARK, "X-Stackctl-Upstream"):
        assert word not in "".join(answers)


def ask(port: int, request: str) -> str:
    """Send a request from the host as it is, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(request.encode())
        return b"".join(iter(lambda: wire.recv(65536), b"")).decode(errors="replace")


def look(operator: Operator, container: str, argv: tuple[str, ...]) -> str:
    """Return what a command inside a container prints."""
    started = operator.engine.exec_create(container, list(argv))
    return bytes(operator.engine.exec_start(started["Id"])).decode()


def processes(operator: Operator, container: str) -> list[Process]:
    """Return every process of a container, the one that looks included."""
    blocks = look(operator, container, STATUS).split("Name:\t")[1:]
    found = []
    for block in blocks:
        facts = dict(line.split(":\t", 1) for line in f"Name:\t{block}".splitlines())
        user = int(facts["Uid"].split("\t")[1])
        found.append(Process(facts["Name"], user, facts["CapEff"], facts["NoNewPrivs"]))
    return found


def test_no_process_is_root_or_can_become_it(stack: Operator) -> None:
    """In no container, databases included: a user's number, no capability, none to be gained."""
    containers = stack.containers()
    for container in containers:
        found = processes(stack, container)
        assert found, container
        for process in found:
            assert process.user > 0, (container, process)
            assert (int(process.effective, 16), process.no_new_privileges) == (0, "1"), container


def test_every_container_is_closed(stack: Operator) -> None:
    """No engine socket, no folder of the host, no namespace of it, and a root that stays as it is."""
    wanted = load_stack(stack.folder / "stack.yaml", stack.environment)
    fixed = {"gateway", *(name for name, each in wanted.services.items() if each.read_only)}
    for container in stack.containers():
        part = container.removeprefix(f"{stack.name}-").split("-blue-")[0].split("-green-")[0]
        found = stack.engine.inspect_container(container)
        host = found["HostConfig"]
        assert {mount["Type"] for mount in found["Mounts"]} <= {"volume", "tmpfs"}
        assert "docker.sock" not in json.dumps(found["Mounts"])
        assert (host["Privileged"], host["PidMode"], host["UTSMode"]) == (False, "", "")
        assert host["IpcMode"] in ("private", "shareable")
        assert not host["Devices"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"] or part in wanted.accessories
        root = next(row for row in look(stack, container, MOUNTS).splitlines() if " / " in row)
        assert ("ro" in root.split(" ")[3].split(",")) == (part in fixed), container


def test_only_the_gateway_has_ports_and_admin_is_on_loopback(stack: Operator) -> None:
    """Whatever the stack consists of."""
    ports = {
        container: stack.engine.inspect_container(container)["HostConfig"]["PortBindings"] or {}
        for container in stack.containers()
    }
    published = ports.pop(f"{stack.name}-gateway")
    assert set(published) == {f"{PUBLIC_PORT}/tcp", f"{ADMIN_PORT}/tcp"}
    assert [each["HostIp"] for each in published[f"{ADMIN_PORT}/tcp"]] == ["127.0.0.1"]
    assert set(map(str, ports.values())) == {"{}"}


def test_a_release_brings_nothing_with_rights(shared: Operator) -> None:
    """The lock is nobody's; the one process of root moves the config link, without capabilities."""
    lock = f"{shared.name}-lock"
    with shared.running("deploy", "app", "--version", f"v{secrets.token_hex(3)}") as release:
        wait_for(release, "start")
        release.send_signal(signal.SIGSTOP)  # nothing begins or ends while it is looked at
        held = shared.engine.inspect_container(lock)
        inside = processes(shared, lock)
        gateway = processes(shared, f"{shared.name}-gateway")
        release.send_signal(signal.SIGCONT)
        release.communicate(timeout=120)
    assert release.returncode == 0

    assert {process.user for process in inside} == {65534}
    assert {process.name for process in gateway if process.user == 0} <= {"sh"}
    for process in (*inside, *gateway):
        assert (int(process.effective, 16), process.no_new_privileges) == (0, "1"), process
    host = held["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], held["Mounts"]) == ("none", True, [])
    assert (host["Memory"], host["PidsLimit"]) == (16 * 1024**2, 8)


def test_a_secret_is_in_its_container_and_nowhere_else(operator: Operator) -> None:
    """Not in labels, configs, evidence, or anything that is printed."""
    secret = secrets.token_hex(16)
    operator.environment["APP_KEY"] = secret
    operator.write_stack({"secrets": ["KEY:APP_KEY"]})
    printed = [operator.up(), operator.deploy("v2"), operator.deploy("crash")]
    printed += [operator.run(*words) for words in READERS]

    replica = operator.engine.inspect_container(f"{operator.name}-app-green-1")
    assert f"KEY={secret}" in replica["Config"]["Env"]
    said = "".join(done.stdout + done.stderr for done in printed)
    assert secret not in said + json.dumps(replica["Config"]["Labels"])
    written = [file for file in operator.folder.rglob("*") if file.is_file()]
    assert len(written) > 20
    assert [file.name for file in written if secret in file.read_text(errors="replace")] == []
    gateway = operator.engine.inspect_container(f"{operator.name}-gateway")
    admin = operator.ask_gateway()
    assert secret not in json.dumps(gateway) + admin.config()
    image = operator.engine.inspect_image(replica["Image"])  # type: ignore[no-untyped-call]
    assert secret not in json.dumps(image)
