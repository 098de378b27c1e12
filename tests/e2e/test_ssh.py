"""stackctl on another machine than the engine's, which it reaches over SSH."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e.afar import assert_released, follow_logs, measure, release_anew
from tests.e2e.operator import PATIENCE, STACKCTL, wait_for, wait_until
from tests.e2e.ssh import SlowLine, Sshd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.operator import Operator
    from tests.hostile.outside import Outside

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="to be on another machine takes root"),
    pytest.mark.skipif(SSHD is None, reason="no sshd: install openssh-server"),
]
DELAY = 0.1  # seconds in each direction
RATE = 1e6 / 8  # bytes a second


@pytest.fixture
def sshd(outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Return the server of SSH that the engine's machine has."""
    sshd = Sshd(tmp_path_factory.mktemp("ssh"), str(SSHD), outside.host)
    try:
        yield sshd
    finally:
        sshd.close()


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the other machine has what it keeps for a moment."""
    return tmp_path_factory.mktemp("tmp")


@pytest.fixture
def far(operator: Operator, outside: Outside, sshd: Sshd, place: Path) -> Operator:
    """Somebody whose every command runs there, and who knows the engine's machine."""
    operator.stackctl = tuple(outside.within(*STACKCTL))
    operator.environment |= {**sshd.variables, "TMPDIR": str(place)}
    sshd.be_known_by("host")
    return operator


def test_who_is_not_known_is_told_so(far: Operator, sshd: Sshd, place: Path) -> None:
    """Neither a machine with another key than before, nor a user without the right one, gets further."""
    far.write_stack()
    sshd.be_known_by(None)
    wait_until(lambda: "is not known here" in far.run("status").stderr or None)
    sshd.be_known_by("other")
    changed = far.run("status")
    assert (changed.code, "another key than the known one" in changed.stderr) == (1, True)
    sshd.be_known_by("host")
    sshd.let_in("other")
    refused = far.run("up")
    assert (refused.code, "takes none of the keys" in refused.stderr) == (1, True)
    assert not list(place.iterdir())
    sshd.let_in("user")
    assert far.run("status").code == 0


def test_a_release_whose_connection_ends_is_put_right_by_the_next_command(
    far: Operator, sshd: Sshd, place: Path
) -> None:
    """Users keep what they have, the lock is free, and nothing is left of the way there."""
    release_anew(far)
    with far.running("deploy", "app", "--version", "v3") as release:
        wait_for(release, "start")
        sshd.drop()
        _, told = release.communicate(timeout=PATIENCE)
    assert release.returncode in (1, 5), told
    assert "Traceback" not in told
    assert far.serving() == "v2"
    far.up()
    status = far.status()
    assert status["services"][0]["active"]["version"] == far.serving()
    assert (status["lock"], status["recovery"], status["drift"]) == (None, [], [])
    assert_released(far.deploy("v4", "--build-here"), "v4")
    wait_until(lambda: not list(place.iterdir()) or None)


@pytest.mark.thorough
def test_a_stack_is_measured_and_a_copy_broken_over_ssh(far: Operator) -> None:
    """A load test, logs as they come, and a drill, whose releases are killed on this side."""
    far.write_stack()
    far.up()
    measure(far)
    follow_logs(far)
    drill = far.run("drill", "app", "--fault", "kill", "--at", "gate", "--output", "json")
    assert drill.code == 0, drill.stderr
    assert [case["problems"] for case in drill.document["cases"]] == [[]]
    assert far.serving() == "v1"


@pytest.mark.thorough
def test_a_slow_line_takes_longer_and_no_more(far: Operator, outside: Outside, sshd: Sshd) -> None:
    """A release goes well, loses nothing, and says how far it is."""
    far.write_stack()
    far.up()
    line = SlowLine(outside.host, sshd.port, delay=DELAY, rate=RATE)
    far.environment["DOCKER_HOST"] = f"ssh://root@{outside.host}:{line.port}"
    try:
        done = far.deploy("v2")
    finally:
        line.close()
    assert_released(done, "v2")
    assert "done start" in done.stderr
