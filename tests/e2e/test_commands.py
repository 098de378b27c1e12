"""The other commands on the real engine."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from docker.types import IPAMConfig, IPAMPool

from tests.e2e.operator import IMPATIENT

if TYPE_CHECKING:
    from tests.e2e.operator import Operator


def test_up_again_changes_nothing(app: Operator) -> None:
    """A second `up` finds everything right and touches nothing."""
    before = app.containers(running=False)

    again = app.up()

    assert again.document["gateway"] == "unchanged"
    assert [service["outcome"] for service in again.document["services"]] == ["unchanged"]
    assert app.containers(running=False) == before


def test_up_brings_changed_settings_in_without_downtime(app: Operator) -> None:
    """A changed environment is a release of the same version; a changed gateway is a reload."""
    app.write_stack({"env": {"COLOUR": "red"}}, gzip=False)

    again = app.up()

    assert again.document["gateway"] == "reconfigured"
    service = again.document["services"][0]
    assert (service["outcome"], service["version"]) == ("deployed", "v1")
    assert service["witness"]["lost"] == 0
    assert app.serving() == "v1"


def test_a_gateway_is_recreated_only_where_downtime_is_allowed(app: Operator) -> None:
    """New limits of the gateway need a new container: drift, until somebody allows the downtime."""
    before = app.engine.inspect_container(f"{app.name}-gateway")["Id"]
    app.write_stack(resources={"memory": "300m"})

    assert app.run("deploy", "app", "--version", "v2").code == 0
    assert app.engine.inspect_container(f"{app.name}-gateway")["Id"] == before
    assert "the gateway runs with other settings than stack.yaml has" in app.status()["drift"]

    allowed = app.run("deploy", "app", "--version", "v3", "--allow-downtime")
    assert allowed.code == 0, allowed.stderr
    after = app.engine.inspect_container(f"{app.name}-gateway")
    assert after["Id"] != before
    assert after["HostConfig"]["Memory"] == 300 * 1024**2
    assert app.status()["drift"] == []
    assert app.serving() == "v3"


def test_up_heals_a_replica_that_was_stopped(app: Operator) -> None:
    """A missing replica is drift, and `up` mends it through a release. Where all were stopped, nobody
    has to be served meanwhile: the same containers are started again, and what is kept stays kept.
    """
    app.engine.stop(f"{app.name}-app-blue-1")
    assert any("1 of 2 replicas" in line for line in app.status()["drift"])

    app.up()

    assert app.status()["drift"] == []
    assert app.status()["services"][0]["active"]["healthy"] == 2

    both = [f"{app.name}-app-green-{number}" for number in (1, 2)]
    before = [app.engine.inspect_container(name)["Id"] for name in both]
    for name in both:
        app.engine.stop(name, timeout=2)

    again = app.up()

    assert [service["outcome"] for service in again.document["services"]] == ["unchanged"]
    assert again.document["mended"] == [
        f"`{both[0]}` and `{both[1]}` were stopped, and were started again"
    ]
    assert [app.engine.inspect_container(name)["Id"] for name in both] == before
    assert (app.serving(), app.status()["drift"]) == ("v1", [])


def test_status_says_who_serves(app: Operator) -> None:
    """The dashboard's document names active and previous, with healthy and wanted replicas."""
    app.deploy("v2")

    status = app.status()
    assert status["stack"] == app.name
    assert status["gateway"]["state"] == "running"
    assert status["lock"] is None
    assert status["drift"] == []
    (service,) = status["services"]
    active, previous = service["active"], service["previous"]
    assert active.items() >= {"version": "v2", "color": "green", "healthy": 2, "wanted": 2}.items()
    assert previous.items() >= {"version": "v1", "color": "blue", "healthy": 0}.items()
    assert (service["candidate"], service["step"], service["share"]) == (None, "settled", 0)
    assert service["url"] == f"http://127.0.0.1:{app.public}/"
    assert active["fares"]["restarts"] == 0
    assert 0 < active["fares"]["memory"] < active["fares"]["limit"]
    text = app.run("status").stdout
    assert "v2 (green)" in text
    assert "2/2" in text


def test_plan_shows_what_deploy_does_and_touches_nothing(app: Operator) -> None:
    """A plan has the steps, and the NGINX diff where there is one; its exit code says if any."""
    before = app.containers(running=False)

    plan = app.run("plan", "app", "--version", "v2", "--detailed-exitcode")
    same = app.run("plan", "app", "--detailed-exitcode")

    assert plan.code == 10
    assert "start " + f"{app.name}-app-green-1" in plan.stdout
    assert "promote: move the link to green" in plan.stdout
    assert "configure" not in plan.stdout
    assert same.code == 0
    assert "nothing would change" in same.stdout
    assert app.containers(running=False) == before
    assert app.run("plan").code == 0
    app.write_stack({"routes": [{"path": "/new/"}]})
    routed = app.run("plan", "app", "--version", "v2", "--diff")
    assert "  routes    /new/ added\n" in routed.stdout
    assert "configure: test the new NGINX config" in routed.stdout
    assert "+        location /new/ {" in routed.stdout


def test_render_prints_the_config_that_serves(app: Operator) -> None:
    """`render` gives the text that NGINX holds."""
    rendered = app.run("render").stdout
    held = app.engine.exec_create(
        f"{app.name}-gateway", ["cat", "/etc/stackctl/current/nginx.conf"]
    )
    assert app.engine.exec_start(held["Id"]).decode() == rendered


def test_logs_are_those_of_the_part(app: Operator) -> None:
    """Logs come with the container's name; an unknown part is exit 2."""
    assert f"{app.name}-app-blue-1 | version v1 starts" in app.run("logs", "app").stdout
    unknown = app.run("logs", "nobody")
    assert unknown.code == 2
    assert "there is no `nobody`" in unknown.stderr


def test_history_and_evidence_tell_of_past_releases(app: Operator) -> None:
    """Past releases are listed newest first, and the newest one's evidence is shown."""
    app.deploy("v2")
    app.write_stack(IMPATIENT)
    app.deploy("sick")

    history = app.run("history", "--output", "json").document["releases"]
    assert [found["outcome"] for found in history] == ["reverted", "deployed", "deployed"]
    assert "reverted" in app.run("history").stdout
    shown = app.run("evidence", "show", history[1]["release"]).stdout
    assert shown.startswith("# app v2: released, 0 of")


def test_prune_keeps_what_serves_and_what_a_rollback_needs(app: Operator) -> None:
    """Old images go, the active and the previous version stay."""
    for version in ("v2", "v3"):
        assert app.deploy(version).code == 0

    removed = app.run("prune", "--keep", "1", "--output", "json").document

    assert removed["images"] == [f"{app.name}-app:v1"]
    assert removed["containers"] == []
    assert app.run("rollback", "app").code == 0
    assert app.serving() == "v2"


def test_down_leaves_nothing_but_the_data(app: Operator) -> None:
    """`down` removes containers and network; `--volumes` the rest."""
    label = {"label": f"io.stackctl.stack={app.name}"}

    assert app.run("down").code == 0
    assert app.containers(running=False) == []
    assert app.engine.networks(filters=label) == []
    assert app.engine.volumes(filters=label)["Volumes"]
    assert app.run("down", "--volumes", "--yes").code == 0
    assert not app.engine.volumes(filters=label)["Volumes"]


def test_up_comes_back_in_another_subnet(app: Operator) -> None:
    """Where another network has got the one of before while the stack was down."""
    before = find_subnet(app, f"{app.name}-net")
    assert app.run("down").code == 0
    app.engine.create_network(
        f"{app.name}-other", ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=before)])
    )
    try:
        again = app.up()
    finally:
        app.engine.remove_network(f"{app.name}-other")

    assert find_subnet(app, f"{app.name}-net") != before
    assert [service["outcome"] for service in again.document["services"]] == ["deployed"]
    assert app.deploy("v2").document["witness"]["lost"] == 0
    assert app.run("rollback", "app").code == 0
    assert (app.serving(), app.status()["drift"]) == ("v1", [])


def test_up_brings_back_a_stopped_stack_whose_network_is_gone(app: Operator) -> None:
    """As after `docker network prune`, which takes each network in which nobody runs."""
    for container in app.containers(running=True):
        app.engine.stop(container, timeout=2)
    app.engine.remove_network(f"{app.name}-net")
    app.up()

    assert (app.serving(), app.status()["drift"]) == ("v1", [])


def find_subnet(app: Operator, network: str) -> str:
    """Return a network's subnet."""
    subnet: str = app.engine.inspect_network(network)["IPAM"]["Config"][0]["Subnet"]
    return subnet


def test_an_image_that_runs_as_root_is_refused(operator: Operator) -> None:
    """A service must not run as root; the message says where to change that."""
    operator.write_stack()
    dockerfile = operator.folder / "app" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("USER 10001:10001\n", ""))

    done = operator.run("up")
    assert done.code == 2
    assert "would run as root" in done.stderr


def test_the_doctor_finds_a_stack_that_serves(app: Operator) -> None:
    """Its gateway has the doors and tells its version; nothing is changed by the look."""
    before = app.containers(running=False)

    done = app.run("doctor", "--output", "json")

    found = {one["check"]: one for one in done.document["findings"]}
    assert done.code == 0, done.stdout
    for check, words in (
        ("stack", f"stack {app.name}"),
        ("engine", "Docker "),
        ("place", "on this machine"),
        ("clock", "agree"),
        ("listen", "held by this stack's gateway"),
        ("admin", "held by this stack's gateway"),
        ("images", "the engine has all"),
        ("nginx", "is NGINX 1."),
    ):
        assert found[check]["verdict"] == "ok", found[check]
        assert words in found[check]["text"]
    assert app.containers(running=False) == before


def test_the_doctor_tells_who_has_a_port(operator: Operator) -> None:
    """A program of this machine by its name and number."""
    operator.write_stack()
    with socket.create_server(("127.0.0.1", operator.public)):
        done = operator.run("doctor", "--output", "json")
    found = {one["check"]: one for one in done.document["findings"]}
    assert done.code == 1
    assert f"(process {os.getpid()})" in found["listen"]["text"]
    assert found["listen"]["verdict"] == "fault"
    assert found["admin"]["text"].endswith("is free")
