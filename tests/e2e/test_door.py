"""Users are locked out while all seems well: it is said, nothing is released, and `up` mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.stack import naming
from tests.e2e.operator import PATIENCE

if TYPE_CHECKING:
    from typing import Any

    from tests.e2e.operator import Operator

pytestmark = pytest.mark.xdist_group("door")

# Ends the engine's process that hands a port's connections on; only root may, on the host.
KILL = """
import os, pathlib, signal, sys
for place in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    words = place.read_bytes().split(b"\\0") if place.exists() else []
    if b"docker-proxy" in words[0] and sys.argv[1].encode() in words:
        os.kill(int(place.parent.name), signal.SIGKILL)
        print("killed")
"""


def kill_proxy(app: Operator) -> None:
    """Let nothing lead to the public port any more; the gateway does not notice."""
    image = app.engine.inspect_container(f"{app.name}-app-blue-1")["Image"]
    killer = app.engine.create_container(
        image,
        ["python", "-c", KILL, str(app.public)],
        entrypoint=[],
        user="0",
        labels={"io.stackctl.test": app.name},
        host_config=app.engine.create_host_config(pid_mode="host"),
    )
    try:
        app.engine.start(killer)
        app.engine.wait(killer, timeout=PATIENCE)
        printed = app.engine.logs(killer).decode()
    finally:
        app.engine.remove_container(killer, force=True)
    if not printed:
        pytest.skip("this engine hands on connections without a process")
    assert printed.strip() == "killed", printed


def healthy(app: Operator) -> int:
    """Return how many replicas of the active color are well."""
    found: int = app.status()["services"][0]["active"]["healthy"]
    return found


def disconnect(app: Operator, part: str) -> None:
    """Take a container out of the stack's network, as somebody may by hand."""
    network = naming.network_name(app.name)
    app.engine.disconnect_container_from_network(f"{app.name}-{part}", network, force=True)


def test_a_door_that_leads_nowhere_is_told_and_opened_by_up(app: Operator) -> None:
    """No release is made while no witness could see it; the next one loses nothing."""
    kill_proxy(app)
    with pytest.raises(ConnectionError):
        app.get()
    gateway: Any = app.status()["gateway"]
    assert (gateway["state"], gateway["door"]) == ("running", "shut")

    refused = app.deploy("v2")
    assert (refused.code, refused.document["outcome"]) == (1, "reverted"), refused.stderr
    assert "nobody is answered at" in refused.stderr
    assert "`stackctl up` mends it" in refused.stderr
    assert [name for name in app.containers(running=False) if "green" in name] == []

    assert app.up().document["gateway"] == "restarted"
    assert (app.serving(), app.status()["gateway"]["door"]) == ("v1", "open")
    done = app.deploy("v2")
    assert done.code == 0, done.stderr
    assert app.evidence(done)["witness"]["lost"] == 0


def test_a_door_at_all_addresses_is_still_open_to_others(app: Operator) -> None:
    """Who comes from outside takes another way in: a restart would cut them off unasked."""
    app.write_stack(listen=str(app.public))
    assert app.run("up", "--allow-downtime").code == 0
    kill_proxy(app)

    assert app.status()["gateway"]["door"] == "half open"
    assert app.up().document["gateway"] == "unchanged"
    assert app.deploy("v2").code == 1
    reopened = app.run("up", "--allow-downtime", "--output", "json")
    assert (reopened.code, reopened.document["gateway"]) == (0, "restarted")
    assert app.serving() == "v1"


def test_what_was_taken_out_of_the_network_is_taken_in_again(app: Operator) -> None:
    """A replica at its own address, and the gateway with its ports."""
    disconnect(app, "app-blue-2")
    assert healthy(app) == 1
    mended = app.up().document["mended"]
    assert [f"`{app.name}-app-blue-2` runs, and is not in the network" in m for m in mended] == [
        True
    ]
    assert healthy(app) == 2
    assert app.ask_replica(2).status == 200

    disconnect(app, "gateway")
    said = app.run("status")
    assert (said.code, "is not in the network" in said.stderr) == (1, True), said.stderr
    app.up()
    assert (app.serving(), healthy(app)) == ("v1", 2)
    assert app.deploy("v2").code == 0
