"""Each case's nginx.conf: as expected, taken by the real NGINX, and saying what was meant."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest

from orchestrator.gateway.admission import ADMITTED
from orchestrator.gateway.render import ADMIN_PORT, FOLDER, PREVIEW_PORT, PUBLIC_PORT, render
from orchestrator.gateway.routing import Lane, Routing, Target, parse_config
from orchestrator.stack.load import load_stack
from tests.golden.cases import Case, load_text, read_cases
from tests.properties.nginx import Block, locations, named, read_config, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.stack.model import Color, Stack

ROOT = Path(__file__).parents[2]
CASES = read_cases()
TEST_ALL = """
for config in /configs/*.conf; do
    nginx -t -q -c "$config" 2>&1
    echo "=== $config $?"
done
"""


def many_services(number: int = 60) -> tuple[Stack, Routing]:
    """Return a stack whose routing is longer than any word or comment that NGINX reads."""
    names = [f"service-{n}" for n in range(number)]
    services = "".join(
        f"  {n}: {{ image: web, port: 80, routes: [{{ path: /{n}/ }}] }}\n" for n in names
    )
    stack = load_text(f"version: 1\nname: shop\ngateway: {{ image: nginx }}\nservices:\n{services}")
    lanes = {
        n: Lane(Target("blue", "v1", 1, f"1-{n}"), outgoing=Target("green", "v2", 1, f"2-{n}"))
        for n in names
    }
    return stack, Routing("3.promote", lanes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_config_is_the_expected_one(case: Case) -> None:
    """A stack and a routing always lead to the same bytes."""
    config = render(case.stack, case.routing)
    if os.environ.get("UPDATE_GOLDEN"):
        case.update(config)
        return
    assert config == case.expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_config_tells_its_own_routing(case: Case) -> None:
    """What was rendered can be read back from its first lines, also where it is long."""
    assert parse_config(case.expected) == case.routing
    stack, routing = many_services()
    assert parse_config(render(stack, routing)) == routing


@pytest.fixture(scope="module")
def verdicts() -> Iterator[Mapping[str, str]]:
    """Yield what NGINX says of each config; nothing where it takes it.

    All are tested in one container that may do no more than the gateway's own.
    """
    configs = {case.name: case.expected for case in CASES}
    configs["many_services"] = render(*many_services())
    image = load_stack(ROOT / "stack.yaml").gateway.image
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker Engine answers: {error}")
    container = client.containers.create(
        image,
        ["sleep", "300"],
        entrypoint=[],
        user="101:101",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode="none",
        volumes=["/configs"],
        tmpfs={"/tmp": ""},
        init=True,
    )
    try:
        container.put_archive("/configs", pack(configs))
        container.start()
        output = container.exec_run(["sh", "-c", TEST_ALL]).output
        assert isinstance(output, bytes)
        yield read_verdicts(output.decode())
    finally:
        container.remove(force=True, v=True)
        client.close()


def pack(configs: Mapping[str, str]) -> bytes:
    """Return a tar archive of `<name>.conf` files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in configs.items():
            entry = tarfile.TarInfo(f"{name}.conf")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def read_verdicts(output: str) -> dict[str, str]:
    """Tell the complaints about each config apart; an exit code other than 0 is one."""
    found = re.findall(r"((?:(?!=== ).*\n)*)=== /configs/(\w+)\.conf (\d+)\n", output)
    return {name: said if code == "0" else f"{said}exit code {code}" for said, name, code in found}


@pytest.mark.engine
@pytest.mark.parametrize("name", [*(case.name for case in CASES), "many_services"])
def test_nginx_takes_the_config(verdicts: Mapping[str, str], name: str) -> None:
    """The real NGINX finds no fault and gives no warning."""
    assert verdicts[name] == ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_config_says_what_was_meant(case: Case, tmp_path: Path) -> None:
    """Read by another parser: who serves, who is previewed, and not one directive more."""
    config = read_config(case.expected, tmp_path)

    assert config.upstreams == wanted_upstreams(case)
    assert answers(config.public) == wanted_locations(case)
    assert answers(config.admin)["/preview/"] == f"http://127.0.0.1:{PREVIEW_PORT}"
    assert answers(config.preview) == wanted_previews(case)
    assert rows(config.http, "$stackctl_version") == {"default": ""} | wanted_versions(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_admin_listener_tells_what_serves(case: Case, tmp_path: Path) -> None:
    """The id of the config as JSON, and the whole text of this one and of the next to start with."""
    admin = locations(read_config(case.expected, tmp_path).admin)
    (answer,) = named(admin["= /release"], "return")
    code, text = answer["args"]
    assert code == "200"
    assert json.loads(text) == {"config": case.routing.id}
    files = [named(admin[path], "alias")[0]["args"] for path in ("= /config", "= /current")]
    assert files == [[f"{FOLDER}/{case.routing.id}/nginx.conf"], [f"{FOLDER}/current/nginx.conf"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_admin_listener_is_for_the_host(case: Case, tmp_path: Path) -> None:
    """Before any location is looked for, whoever is not let in by address is refused."""
    config = read_config(case.expected, tmp_path)
    (known,) = (
        m["block"] for m in named(config.http, "map") if m["args"][1] == "$stackctl_stranger"
    )
    assert {row["directive"]: row["args"] for row in known} == {
        "default": ["1"],
        "include": [ADMITTED],
    }
    assert named(config.public, "listen")[0]["args"][0] == str(PUBLIC_PORT)
    assert [listen["args"] for listen in named(config.admin, "listen")] == [[str(ADMIN_PORT)]]
    previews = [listen["args"] for listen in named(config.preview, "listen")]
    assert previews == ([[f"127.0.0.1:{PREVIEW_PORT}"]] if config.preview else [])
    (door,) = named(config.admin, "if")
    assert door["args"] == ["$stackctl_stranger"]
    assert [(answer["directive"], answer["args"]) for answer in door["block"]] == [
        ("return", ["403"])
    ]


def answers(server: Block) -> dict[str, str]:
    """Return what answers each path: where it is passed to, or the status."""
    found = {}
    for path, block in locations(server).items():
        said = named(block, "proxy_pass") or named(block, "return")
        found[path] = said[0]["args"][0] if said else ""
    return found


def targets(case: Case) -> Iterator[tuple[str, Target]]:
    """Yield each service's colors that must be listed."""
    for service, lane in case.routing.lanes.items():
        if service in case.stack.services:
            yield from ((service, target) for target in lane.listed)


def wanted_upstreams(case: Case) -> dict[str, list[str]]:
    """Return each color's replicas."""
    return {
        upstream(service, target.color): [
            f"{case.stack.name}-{service}-{target.color}-{n}:{case.stack.services[service].port}"
            for n in range(1, target.replicas + 1)
        ]
        for service, target in targets(case)
    }


def wanted_versions(case: Case) -> dict[str, str]:
    """Return each color's version."""
    return {upstream(service, target.color): target.version for service, target in targets(case)}


def wanted_locations(case: Case) -> dict[str, str]:
    """Return what must answer each path of the public listener."""
    wanted = {"/": "404", "= /stackctl/problem": "200"}
    for service, settings in case.stack.services.items():
        active = case.routing.lane(service).active
        for number, route in enumerate(settings.routes):
            end = "/" if route.strip_prefix else ""
            answer = f"http://{upstream(service, active.color)}{end}" if active else "503"
            if active and active.replicas > 1 and route.buffering.requests:
                wanted[f"@again_{service}_{number}"] = f"http://{upstream(service, active.color)}"
            below = route.path if route.path.endswith("/") else f"{route.path}/"
            wanted |= {below: answer} | ({} if below == route.path else {f"= {route.path}": answer})
    return wanted


def wanted_previews(case: Case) -> dict[str, str]:
    """Return the candidates that the preview's listener leads to; there is none without any."""
    previews = {
        f"/preview/{service}/": f"http://{upstream(service, lane.previewed.color)}/"
        for service, lane in case.routing.lanes.items()
        if lane.previewed and service in case.stack.services
    }
    return previews | {"/": "404"} if previews else {}


def upstream(service: str, color: Color) -> str:
    """Return the name of a color's upstream."""
    return f"{service}_{color}"
