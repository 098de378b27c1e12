"""stackctl on another machine than the engine's: its loopback is not the one that the gateway is on."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import ask_once
from tests.e2e.afar import FarEngine, Sshd
from tests.e2e.operator import EVERY_BYTE, PATIENCE, STACKCTL, wait_for, wait_until
from tests.hostile.outside import Outside, going_outside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Done, Operator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="to be on another machine takes root")
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
BOUND = 20  # seconds for one answer
SCRIPT = """
import http from 'k6/http';
export default function () { http.get(`${__ENV.BASE_URL}/`); }
"""


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    """Return a machine that reaches this one by a link of its own."""
    with going_outside() as place:
        subprocess.run(place.within("ip", "link", "set", "lo", "up"), check=True)
        yield place


@pytest.fixture
def engine(outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEngine]:
    """Return the engine as it is reached from there, over TLS."""
    engine = FarEngine(tmp_path_factory.mktemp("certificates"), outside.host)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture
def far(operator: Operator, outside: Outside, engine: FarEngine) -> Operator:
    """Somebody whose every command runs there."""
    operator.stackctl = tuple(outside.within(*STACKCTL))
    # A bundle of certificates for the web says nothing of the engine.
    operator.environment |= {**engine.variables, "REQUESTS_CA_BUNDLE": "/etc/hostname"}
    return operator


def assert_released(done: Done, version: str) -> None:
    """A release went well, its witness was heard, and lost nothing."""
    assert done.code == 0, done.stderr
    witness = done.document["witness"]
    assert done.document["version"] == version
    assert witness["sent"] > 0
    assert (witness["lost"], witness["failure"]) == (0, None)


def test_a_stack_behind_the_loopback_is_run_from_another_machine(far: Operator) -> None:
    """All of it goes through the engine's connection: questions to NGINX, and the witness."""
    release_anew(far)
    assert_released(far.run("rollback", "app", "--output", "json"), "v1")
    status = far.status()
    assert status["services"][0]["active"]["healthy"] == 2
    assert (status["gateway"]["door"], status["drift"], status["recovery"]) == ("open", [], [])
    assert "version v1 starts" in far.run("logs", "app").stdout
    echoed = far.pipe("exec", "app", "--", "cat", given=EVERY_BYTE)
    assert (echoed.returncode, echoed.stdout) == (0, EVERY_BYTE)


def test_a_public_door_is_reached_over_the_network(
    far: Operator, outside: Outside, engine: FarEngine
) -> None:
    """By the witness and by a load test, as users reach it.

    Where the connection to the engine is cut in a release, users keep what they have, and the next
    command needs nothing but the connection.
    """
    (far.folder / "k6").mkdir()
    (far.folder / "k6" / "test.js").write_text(SCRIPT)
    release_anew(far, listen=f"{outside.host}:{far.public}")
    done = far.run("bench", "--vus", "2", "--duration", "1s", "--output", "json")
    assert done.code == 0, done.stderr
    assert done.document["figures"]["failed"] == 0
    assert far.status()["services"][0]["url"] == f"http://{outside.host}:{far.public}/"

    with far.running("deploy", "app", "--version", "v3") as release:
        wait_for(release, "start")
        engine.drop()
        release.communicate(timeout=PATIENCE)
    assert release.returncode != 0
    assert ask_once((outside.host, far.public), "/", BOUND).good
    far.up()
    status = far.status()
    served = ask_once((outside.host, far.public), "/", BOUND).json()["version"]
    assert status["services"][0]["active"]["version"] == served
    assert (status["lock"], status["recovery"]) == (None, [])


@pytest.mark.skipif(SSHD is None, reason="no sshd: install openssh-server")
def test_a_stack_is_run_over_ssh_by_who_knows_the_machine(
    operator: Operator, outside: Outside, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A key that is not known, or that has changed, is never taken; nothing is left of the way there."""
    place = tmp_path_factory.mktemp("tmp")
    sshd = Sshd(tmp_path_factory.mktemp("ssh"), str(SSHD), outside.host)
    try:
        operator.stackctl = tuple(outside.within(*STACKCTL))
        operator.environment |= {**sshd.variables, "TMPDIR": str(place)}
        operator.write_stack()
        wait_until(lambda: "is not known here" in operator.run("status").stderr or None)
        sshd.be_known_by("other")
        assert "another key than the known one" in operator.run("status").stderr
        sshd.be_known_by("host")
        release_anew(operator)
        wait_until(lambda: not list(place.iterdir()) or None)
    finally:
        sshd.close()


def release_anew(far: Operator, listen: str = "") -> None:
    """Bring a stack up, and release its next version."""
    far.write_stack(listen=listen or f"127.0.0.1:{far.public}")
    far.up()
    assert_released(far.deploy("v2"), "v2")
