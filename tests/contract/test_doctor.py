"""What the doctor sees of real things: an engine, one that is silent, sockets, Git and the disk."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import has_address
from orchestrator.clock import SystemClock
from orchestrator.doctor.files import Kept
from orchestrator.doctor.gathering import Late, gather
from orchestrator.doctor.listeners import find_listeners
from orchestrator.doctor.sight import is_known, see_kept, see_rights, see_room
from orchestrator.engine.endpoint import find_endpoint
from orchestrator.engine.survey import ask_inside, survey_engine
from orchestrator.errors import EngineError
from tests.contract.bench import NGINX

if TYPE_CHECKING:
    from tests.contract.bench import Bench

ALONE = {"PATH": os.environ["PATH"]}


@pytest.mark.engine
def test_the_engine_says_what_it_is() -> None:
    """Version, size, clock, whose machine it is on, and which images it has."""
    endpoint = find_endpoint(os.environ, Path.home())
    found = survey_engine(endpoint, (NGINX, "nobody.example/none:1"), SystemClock(), 60)
    assert found.version
    assert found.api.startswith("1.")
    assert (found.memory > 0, found.cpus > 0) == (True, True)
    assert abs(found.ahead) <= found.doubt + 0.1  # it is this machine's clock
    assert has_address(found.host)
    assert not has_address("203.0.113.9")  # as an engine elsewhere would have
    assert (has_address("::1"), has_address("2001:db8::9")) == (True, False)
    assert [*found.images] == [NGINX]


@pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])
def test_a_container_is_found_and_asked(bench: Bench) -> None:
    """That is how the gateway is asked for its version."""
    endpoint, container = find_endpoint(os.environ, Path.home()), bench.run("app")
    found = survey_engine(endpoint, (), SystemClock(), 60)
    assert bench.name("app") in {one.name for one in found.containers}
    assert ask_inside(endpoint, container, ("echo", "a"), 60).strip() == "a"


def test_an_engine_that_is_silent_is_late(tmp_path: Path) -> None:
    """It takes the connection, and says nothing: the answer is not waited for."""
    place = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place))
        silent.listen()
        endpoint = find_endpoint({"DOCKER_HOST": f"unix://{place}"}, tmp_path)

        def survey() -> object:
            return survey_engine(endpoint, (), SystemClock(), 60)

        assert isinstance(gather({"survey": survey}, SystemClock(), 0.1)["survey"], Late)
        with pytest.raises(EngineError, match="no Docker Engine answers"):
            survey_engine(endpoint, (), SystemClock(), 1)


def test_whoever_listens_is_found() -> None:
    """With the address, and the name of the process where it is one's own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = find_listeners({port}) or ()
        assert (found.host, found.port) == ("127.0.0.1", port)
        assert found.process.endswith(f"(process {os.getpid()})")
    assert find_listeners({port}) == ()


def test_git_says_what_it_does_with_a_file(tmp_path: Path) -> None:
    """Nothing without a repository; else whether it is ignored, or taken."""
    (tmp_path / ".env").touch()
    env = tmp_path / ".env"

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    assert see_kept(env, {"PATH": ""}) is Kept.NOWHERE
    assert see_kept(env, ALONE) is Kept.NOWHERE
    git("init")
    assert see_kept(env, ALONE) is Kept.OPEN
    (tmp_path / ".gitignore").write_text(".env\n")
    assert see_kept(env, ALONE) is Kept.IGNORED
    git("add", "--force", ".env")
    assert see_kept(env, ALONE) is Kept.TRACKED


def test_no_program_of_a_repository_is_started(tmp_path: Path) -> None:
    """A checkout may bring a config of its own for Git."""
    (tmp_path / ".env").touch()
    subprocess.run(["git", "init", tmp_path], check=True, capture_output=True)
    trap, mark = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {mark}\n")
    trap.chmod(0o755)
    config = ("git", "-C", str(tmp_path), "config", "core.fsmonitor", str(trap))
    subprocess.run(config, check=True, capture_output=True)
    assert see_kept(tmp_path / ".env", ALONE) is Kept.OPEN
    assert not mark.exists()


def test_rights_and_room_are_seen(tmp_path: Path) -> None:
    """Of what is there; links are followed, and nothing is read."""
    (tmp_path / "a").touch(mode=0o640)
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "b").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    found = see_rights(tmp_path / "b")
    assert found is not None
    assert (oct(found.mode), found.mine, found.folder) == ("0o100640", True, False)
    assert see_rights(tmp_path / "pipe") is not None
    assert see_rights(tmp_path / "none") is None
    assert (see_room(tmp_path) or 0) > 0
    assert see_room(tmp_path / "none") is None


def test_name_servers_are_asked() -> None:
    """What cannot be a name is not known."""
    assert is_known("localhost")
    assert not is_known("no such name")
