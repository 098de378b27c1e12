"""An app that asks for all that a container can be given, released as an operator does it."""

from __future__ import annotations

import http.client
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

# It serves only where all is as stack.yaml says.
START = """
test "$GIVEN $IN_FILE $${MAYBE-unset}" = "by a program of a file unset" || exit 11
test "$(cat /etc/app/new/app.conf)" = "$EXPECTED" || exit 12
touch /run/pid /tmp/scratch || exit 13
test "$(id -u)" = 0 || exit 14
test "$(ulimit -Sn)" = 1024 || exit 19
test "$(df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2)" = 8192 || exit 16
test "$(df -k /cache | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2)" = 1024 || exit 17
touch /data/of-others || exit 18
grep -q host.docker.internal /etc/hosts || exit 15
exec python -u /server.py
"""
KEYS: dict[str, Any] = {
    "entrypoint": ["sh", "-c"],
    "command": [START],
    "read_only": True,
    "env": {"EXPECTED": "one"},
    "env_file": ["conf/app.env"],
    "secrets": ["GIVEN", "MAYBE?"],
    "files": [{"from": "conf/app.conf", "to": "/etc/app/new/app.conf"}],
    "tmpfs": ["/run", "/cache:1m"],
    "shm_size": "8m",
    "ulimits": {"nofile": {"soft": 1024, "hard": 2048}},
    "extra_hosts": {"host.docker.internal": "host-gateway"},
    "stop_signal": "SIGTERM",
    "init": True,
    "user": "root",
    "volumes": ["data:/data"],
}
IMAGE = "${IMAGE_PREFIX:-}python:3.13-slim"
PROGRAM = ["sh", "-c", "echo 'GIVEN=by a program'"]


@contextmanager
def made_by_others(operator: Operator) -> Iterator[str]:
    """Have a volume and a network that are not the stack's, of the same name."""
    name = f"{operator.name}-of-others"
    operator.engine.create_volume(name)
    operator.engine.create_network(name)
    try:
        yield name
    finally:
        operator.remove_everything()
        operator.engine.remove_network(name)
        operator.engine.remove_volume(name)


def write(operator: Operator, text: str, others: str, port: int) -> None:
    """Write stack.yaml and what it reads; the app expects this text in its file."""
    operator.write_stack({**KEYS, "env": {"EXPECTED": text}, "networks": [others]})
    file = operator.folder / "stack.yaml"
    document = yaml.safe_load(file.read_text()) | {
        "secrets_command": PROGRAM,
        "volumes": {"data": {"external": others}},
        "accessories": {
            "files": {
                "image": IMAGE,
                "command": ["python", "-m", "http.server", "7000"],
                "port": 7000,
                "publish": [f"127.0.0.1:{port}:7000"],
            }
        },
    }
    operator.write(document)
    (operator.folder / "conf").mkdir(exist_ok=True)
    (operator.folder / "conf" / "app.conf").write_text(f"{text}\n")
    (operator.folder / "conf" / "app.env").write_text("IN_FILE='of a file'\nEXPECTED=never\n")


def ask(port: int) -> int:
    """Return the status that a published port answers with."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_app_gets_what_its_keys_say(operator: Operator) -> None:
    """Its first release and one with another file; nobody says a value, and nothing is left."""
    port = free_port()
    with made_by_others(operator) as others:
        write(operator, "one", others, port)
        refused = operator.run("up")
        assert refused.code == 2
        assert "STACKCTL_ALLOW_SECRETS_COMMAND=1" in refused.stderr
        operator.environment["STACKCTL_ALLOW_SECRETS_COMMAND"] = "1"
        done = operator.run("up")
        assert done.code == 0, done.stderr
        assert operator.status()["drift"] == []
        assert ask(port) == 200

        write(operator, "two", others, port)
        released = operator.run("deploy", "app", "--version", "v1")
        assert released.code == 0, released.stderr
        assert operator.serving() == "v1"
        assert "by a program" not in f"{done.stdout}{done.stderr}{released.stdout}{released.stderr}"
        told = operator.engine.inspect_network(others)["Containers"] or {}
        assert {one["Name"] for one in told.values()} <= {*operator.containers()}
        assert told
        assert operator.run("down", "--volumes", "--yes").code == 0
        left = operator.engine.volumes(filters={"name": operator.name})["Volumes"]
        assert [one["Name"] for one in left] == [others]
