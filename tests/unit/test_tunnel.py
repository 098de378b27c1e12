"""How an engine is reached over SSH, and what is said where it is not."""

from __future__ import annotations

import pytest

from orchestrator.engine.endpoint import Endpoint
from orchestrator.engine.tunnel import THERE, explain, to_arguments

HERE = "/tmp/stackctl-1/engine.sock"


@pytest.mark.parametrize(
    ("host", "forward", "words"),
    [
        ("ssh://vps", "/var/run/docker.sock", []),
        ("ssh://deploy@vps:2222", "/var/run/docker.sock", ["-l", "deploy", "-p", "2222"]),
        ("ssh://vps/run/user/1000/docker.sock", "/run/user/1000/docker.sock", []),
        ("ssh://-oProxyCommand=touch", "/var/run/docker.sock", []),
    ],
)
def test_ssh_is_called_for_one_socket(host: str, forward: str, words: list[str]) -> None:
    """As the user and at the port of the address; no name of a machine is an option."""
    arguments = to_arguments(Endpoint(host), HERE)
    start = arguments.index("-L")
    machine = Endpoint(host).name
    assert arguments[start:] == ["-L", f"{HERE}:{forward}", *words, "--", machine, THERE]
    assert "BatchMode=yes" in arguments


@pytest.mark.parametrize(
    ("told", "message", "hint"),
    [
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
         "another key than the known one", "ssh-keygen -R '[vps]:2222'"),
        ("Host key verification failed.", "is not known here", "`ssh -p 2222 me@vps`"),
        ("me@vps: Permission denied (publickey).", "takes none of the keys", "`ssh-add`"),
        ("ssh: connect to host vps port 2222: Connection refused", "Connection refused", "-v`"),
        ("", "ssh has ended", "-v`"),
    ],
)  # fmt: skip
def test_who_is_not_let_in_is_told_why(told: str, message: str, hint: str) -> None:
    """And what to type next; a password in the address is not repeated."""
    error = explain(Endpoint("ssh://me:secret@vps:2222", None, "DOCKER_HOST"), told)
    assert message in error.message
    assert "DOCKER_HOST" in error.message
    assert hint in str(error.hint)
    assert "secret" not in f"{error.message} {error.hint}"
