"""Whom the admin listener lets in: what a shell makes of the kernel's table of routes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import Answer, Unanswered
from orchestrator.gateway.admin import Admin
from orchestrator.gateway.admission import ADMIT, ENTRYPOINT, PLACE
from orchestrator.gateway.apply import TEST
from orchestrator.gateway.container import gateway_spec
from orchestrator.stack.quantities import Address
from tests.fakes.stacks import load_shop

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
OWN = "eth1\t000013AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"  # a network that it is on


def default(gateway: str) -> str:
    """Return the row of a default route."""
    return f"eth0\t00000000\t{gateway}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"


def admit(folder: Path, routes: str | None) -> str | None:
    """Run the script on a table of routes; return what NGINX includes, None where there is none."""
    table, place = folder / "route", folder / "admin"
    if routes is not None:
        table.write_text(routes)
    script = ADMIT.replace("/proc/net/route", str(table)).replace(PLACE, str(place))
    subprocess.run(("sh", "-c", script), check=True, capture_output=True)
    admitted = place.with_suffix(".map")
    assert not place.with_suffix(".new").exists()
    return admitted.read_text() if admitted.exists() else None


@pytest.mark.parametrize(
    ("gateway", "address"),
    [
        ("010011AC", "172.17.0.1"),
        ("010AA8C0", "192.168.10.1"),
        ("FEFFFF0A", "10.255.255.254"),
        ("0100000A", "10.0.0.1"),
    ],
)
def test_the_host_is_where_the_default_route_leads(
    tmp_path: Path, gateway: str, address: str
) -> None:
    """Its address on the bridge, and no other, whatever further networks there are."""
    assert admit(tmp_path, HEAD + default(gateway) + OWN) == f"{address} 0;\n"
    assert admit(tmp_path, HEAD + OWN + default(gateway)) == f"{address} 0;\n"


@pytest.mark.parametrize("routes", ["", HEAD, HEAD + OWN, HEAD + default("00000000")])
def test_without_a_default_route_nobody_is_let_in(tmp_path: Path, routes: str) -> None:
    """Whoever was let in before is not any more."""
    admit(tmp_path, HEAD + default("010011AC"))
    assert admit(tmp_path, routes) == ""


def test_a_proxy_on_the_host_comes_from_that_address(tmp_path: Path) -> None:
    """It is included where such a one is trusted, and goes with the address."""
    trusted = tmp_path / "admin.host"
    admit(tmp_path, HEAD + default("010011AC"))
    assert trusted.read_text() == "set_real_ip_from 172.17.0.1;\n"
    admit(tmp_path, HEAD)
    assert trusted.read_text() == ""
    admit(tmp_path, HEAD + default("010011AC"))
    (tmp_path / "route").unlink()
    admit(tmp_path, None)
    assert not trusted.exists()


def test_without_a_table_of_routes_nobody_is_let_in(tmp_path: Path) -> None:
    """What an earlier start has left in the volume is taken away."""
    (tmp_path / "admin.map").write_text("172.17.0.1 0;\n")
    assert admit(tmp_path, None) is None


def test_the_container_becomes_nginx_once_it_knows(tmp_path: Path) -> None:
    """The shell is replaced, so that NGINX takes the signals; a test of a config looks as well."""
    spec = gateway_spec(load_shop(tmp_path))
    shell, option, script, name = spec.entrypoint
    assert (shell, option, name) == ("sh", "-c", "nginx")
    assert script.startswith(ADMIT)
    assert script.endswith('exec nginx "$@"')
    assert spec.entrypoint == ENTRYPOINT
    assert spec.command[0] == "-c"
    assert TEST[2].startswith(ADMIT)


@pytest.mark.parametrize(("status", "refuses"), [(200, False), (403, True), (502, False)])
def test_a_refusal_is_told_from_silence(status: int, refuses: bool) -> None:  # noqa: FBT001
    """An engine that hides the host's address is another fault than a port that is taken."""
    admin = Admin(
        Address("127.0.0.1", 8081),
        Address("127.0.0.1", 8080),
        lambda *_, **__: Answer(status, b"-"),
    )
    assert admin.serving() is None
    assert admin.refuses() is refuses


def test_who_does_not_answer_does_not_refuse() -> None:
    """A gateway that is down is not said to keep its host out."""

    def refuse(*_: object, **__: object) -> Answer:
        raise Unanswered("ConnectError")

    door = Address("127.0.0.1", 8080)
    admin = Admin(Address("127.0.0.1", 8081), door, refuse)
    assert admin.refuses() is False
    assert admin.served("/") == ""
