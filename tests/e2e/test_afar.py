"""stackctl on another machine than the engine's: its loopback is not the one that the gateway is on."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import ask_once
from tests.e2e.afar import FarEngine, assert_released, follow_logs, measure, release_anew
from tests.e2e.operator import EVERY_BYTE, PATIENCE, STACKCTL, Operator, wait_for
from tests.e2e.shared import DOOR, remove_door
from tests.e2e.tenants import Tenant, strict_user
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hostile.outside import Outside

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="to be on another machine takes root")
BOUND = 20  # seconds for one answer


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
    return send_away(operator, outside, engine)


def send_away(operator: Operator, outside: Outside, engine: FarEngine) -> Operator:
    """Have all commands of somebody run on the other machine."""
    operator.stackctl = tuple(outside.within(*STACKCTL))
    # A bundle of certificates for the web says nothing of the engine.
    operator.environment |= {**engine.variables, "REQUESTS_CA_BUNDLE": "/etc/hostname"}
    return operator


def test_a_stack_behind_the_loopback_is_run_from_another_machine(far: Operator) -> None:
    """All of it goes through the engine's connection: questions to NGINX, and the witness."""
    release_anew(far)
    assert_released(far.run("rollback", "app", "--output", "json"), "v1")
    status = far.status()
    assert status["services"][0]["active"]["healthy"] == 2
    assert (status["gateway"]["door"], status["drift"], status["recovery"]) == ("open", [], [])
    follow_logs(far)
    echoed = far.pipe("exec", "app", "--", "cat", given=EVERY_BYTE)
    assert (echoed.returncode, echoed.stdout) == (0, EVERY_BYTE)


def test_a_public_door_is_reached_over_the_network(
    far: Operator, outside: Outside, engine: FarEngine
) -> None:
    """By the witness and by a load test, as users reach it.

    Where the connection to the engine is cut in a release, users keep what they have, and the next
    command needs nothing but the connection.
    """
    release_anew(far, listen=f"{outside.host}:{far.public}")
    measure(far)
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


@pytest.mark.xdist_group("shared door")  # of which an engine has one
@pytest.mark.parametrize(
    "near",
    [
        pytest.param(False, id="on the network"),
        pytest.param(True, id="on the loopback", marks=pytest.mark.thorough),
    ],
)
def test_stacks_share_a_door_on_another_machine(
    outside: Outside,
    engine: FarEngine,
    tmp_path: Path,
    layers: None,  # noqa: ARG001
    *,
    near: bool,
) -> None:
    """One brings it up, another joins and leaves, the last one takes it down: all of it from there."""
    ports, address = (free_port(), free_port()), "127.0.0.1" if near else outside.host
    with ExitStack() as left:
        left.callback(remove_door)
        made = []
        for name in ("shop", "blog"):
            (tmp_path / name).mkdir()
            somebody = Operator(tmp_path / name, f"t{secrets.token_hex(3)}")
            left.callback(somebody.remove_everything)
            tenant = Tenant(send_away(somebody, outside, engine), f"{name}.example", ports)
            tenant.address = address
            tenant.write()
            made.append(tenant)
        shop, blog = made
        assert shop.operator.up().document["warnings"] == []
        assert_released(shop.operator.deploy("v2"), "v2")
        with strict_user(shop) as visits:
            assert blog.operator.up().document["warnings"] == []
            for tenant, version in ((shop, "v2"), (blog, "v1")):
                status = tenant.operator.status()
                assert (status["gateway"]["door"], status["drift"]) == ("open", [])
                assert status["services"][0]["url"] == f"http://{tenant.host}:{ports[0]}/"
                assert tenant.serving() == version
            assert blog.operator.run("down").code == 0
            assert blog.ask().status == 404
        assert (visits.failed, visits.answered > 100) == ([], True)
        assert DOOR in shop.operator.run("down", "--output", "json").document["containers"]
