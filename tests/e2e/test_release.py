"""A release on the real engine, in an operator's words."""

from __future__ import annotations

import http.client
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from threading import Event
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as open_socket

from orchestrator.whereabouts import Whereabouts
from tests.e2e.load import under_load
from tests.e2e.operator import wait_for, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from tests.e2e.operator import Operator


def connect(operator: Operator, number: int) -> list[http.client.HTTPConnection]:
    """Open connections to the public listener, use each once, and let them idle."""
    clients = [
        http.client.HTTPConnection("127.0.0.1", operator.public, timeout=10) for _ in range(number)
    ]
    for client in clients:
        client.request("GET", "/")
        client.getresponse().read()
    return clients


def speak(client: http.client.HTTPConnection) -> str:
    """Send a POST over a connection that is still open; return the version that answered."""
    assert client.sock is not None, "it would connect anew"
    client.request("POST", "/", body=b"{}")
    answer = client.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return str(json.loads(body)["version"])


def test_releases_and_rollbacks_under_load_lose_no_request(app: Operator) -> None:
    """Three releases and a rollback under 300 requests a second lose none, in nobody's count."""
    with under_load(f"http://127.0.0.1:{app.public}/", app.folder) as load:
        done = [app.deploy(version) for version in ("v2", "v3", "v4")]
        done.append(app.run("rollback", "app", "--output", "json"))
        assert app.serving() == "v3"

    assert [each.code for each in done] == [0, 0, 0, 0], done[-1].stderr
    for each in done:
        assert each.document["outcome"] == "deployed"
        assert each.document["witness"]["lost"] == 0
        assert each.document["witness"]["sent"] > 50
    assert load.sent > 1000
    assert load.failed == 0


def test_real_traffic_stands_beside_the_witness(app: Operator) -> None:
    """The evidence counts users' requests by version, from the gateway's access log."""
    with under_load(f"http://127.0.0.1:{app.public}/?load", app.folder, rate=50):
        wait_until(lambda: "?load" in app.gateway_log() or None)
        done = app.deploy("v2")

    traffic = app.evidence(done)["traffic"]
    assert set(traffic["versions"]) == {"v1", "v2"}
    assert traffic["failed"] == 0
    assert sum(traffic["versions"]["v2"].values()) > 0  # it ends soon after the switch


def test_a_release_leaves_whole_evidence(app: Operator) -> None:
    """Every file of a release's evidence is there and says the same."""
    done = app.deploy("v2")

    folder = app.folder / done.document["evidence"]
    evidence = app.evidence(done)
    assert evidence["outcome"] == "deployed"
    assert evidence["verdict"]["lossless"] is True
    assert evidence["witness"]["sent"] == done.document["witness"]["sent"]
    assert set(evidence["witness"]["versions"]) == {"v1", "v2"}
    phases = ["build", "plan", "start", "gate", "preview", "promote", "confirm", "drain", "retire"]
    assert [phase["phase"] for phase in evidence["phases"]] == phases
    assert set(done.document["seconds"]) == {*phases, "total"}
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events[:2]] == ["begun", "started"]
    assert events[-1]["event"] == "ended"
    engine = Whereabouts(**evidence["engine"])
    assert engine.name
    assert f"deploy app v2 on {engine.told}" in done.stderr.splitlines()
    told = (folder / "witness.jsonl").read_text().splitlines()
    samples = [line for line in told if '"note"' not in line]
    assert len(samples) == evidence["witness"]["sent"]
    lanes = [json.loads((folder / f"lane.{when}.json").read_text()) for when in ("before", "after")]
    assert [lane["active"]["color"] for lane in lanes] == ["blue", "green"]
    assert (folder / "nginx.before.conf").read_text() == (folder / "nginx.after.conf").read_text()
    assert (folder / "nginx.diff").read_text() == ""
    assert [move["step"] for move in evidence["moves"]] == ["staged", "promoted", "settled"]
    assert "0 of" in (folder / "evidence.md").read_text().splitlines()[0]
    index = (app.folder / "reports" / "EVIDENCE_ZERO_DOWNTIME.md").read_text()
    assert done.document["release"] in index


def test_the_version_that_serves_is_not_released_again(app: Operator) -> None:
    """Deploying what is active changes nothing and leaves no evidence.

    Without a build: where others build the same app meanwhile, the builder may take their layers.
    """
    before = app.containers(running=False)

    done = app.deploy("v1", "--no-build")

    assert done.code == 0
    assert done.document["outcome"] == "unchanged"
    assert done.document["evidence"] is None
    assert app.containers(running=False) == before
    assert len(list((app.folder / "reports" / "releases").iterdir())) == 1  # that of `up`


def test_no_connection_is_closed_and_no_worker_replaced(operator: Operator) -> None:
    """Clients that idled through the switch go on over their connections, and get the new version."""
    operator.write_stack(keepalive="20s")
    operator.up()
    clients = connect(operator, 20)
    before = operator.workers()
    done = operator.deploy("v2")

    assert done.code == 0, done.stderr
    assert {speak(client) for client in clients} == {"v2"}
    assert operator.run("rollback", "app").code == 0
    assert {speak(client) for client in clients} == {"v1"}
    assert operator.workers() == before
    for client in clients:
        client.close()


def test_an_idle_connection_survives_a_change_of_the_config(operator: Operator) -> None:
    """A worker that leaves answers each of its clients once more; it hangs up on nobody before."""
    operator.write_stack(keepalive="20s", drain_timeout="40s")
    operator.up()
    clients = connect(operator, 20)
    operator.write_stack(keepalive="20s", drain_timeout="40s", gzip=False)
    assert operator.up().document["gateway"] == "reconfigured"

    assert {speak(client) for client in clients} == {"v1"}
    for client in clients:
        client.close()


def test_a_release_does_not_wait_for_idle_clients(operator: Operator) -> None:
    """They have no request in flight: it ends long before they would let go."""
    operator.write_stack(keepalive="60s", drain_timeout="120s")
    operator.up()
    clients = connect(operator, 20)
    done = operator.deploy("v2")

    assert done.code == 0, done.stderr
    assert done.document["seconds"]["drain"] < 20
    assert {speak(client) for client in clients} == {"v2"}
    for client in clients:
        client.close()


def test_another_service_notices_nothing(operator: Operator) -> None:
    """Its WebSockets and events go on through a release and a rollback; the service's own end in time."""
    operator.write_stack({"drain_timeout": "4s"}, beside={"other": "/other/"})
    operator.up()
    with ExitStack() as opened:
        events = opened.enter_context(listen(operator, "/other/events"))
        base = f"ws://127.0.0.1:{operator.public}"
        kept, own = (
            [opened.enter_context(open_socket(f"{base}{path}")) for _ in range(number)]
            for path, number in (("/other/socket", 10), ("/socket", 50))
        )
        with operator.running("deploy", "app", "--version", "v2", "--output", "json") as process:
            wait_until(lambda: operator.served_version("/") == "v2" or None)
            assert [echo(socket) for socket in own] == ["hello"] * 50  # of the version before
            told, _ = process.communicate(timeout=60)
        document = json.loads(told)
        assert operator.run("rollback", "app").code == 0

        assert [echo(socket) for socket in kept] == ["hello"] * 10
        assert document["seconds"]["drain"] >= 4
        assert document["warnings"] == ["50 connections were cut at the end of the drain"]
        for socket in own:
            with pytest.raises(ConnectionClosed):
                echo(socket)
        assert [read_event(events) for _ in range(50)] == [*range(1, 51)]


@contextmanager
def listen(operator: Operator, path: str) -> Iterator[http.client.HTTPResponse]:
    """Open a stream of server-sent events."""
    with closing(http.client.HTTPConnection("127.0.0.1", operator.public, timeout=10)) as client:
        client.request("GET", path)
        yield client.getresponse()


def read_event(stream: http.client.HTTPResponse) -> int:
    """Return the next number of a stream."""
    text = stream.readline().removeprefix(b"data: ")
    assert stream.readline() == b"\n"
    return int(text)


def echo(socket: ClientConnection) -> str:
    """Say something and return what comes back."""
    socket.send("hello")
    return str(socket.recv(timeout=10))


def test_a_late_upload_is_answered_by_the_version_that_it_had_decided_for(app: Operator) -> None:
    """Its body is still on its way when the next release wants the same addresses."""
    body = b"a" * 1000
    with closing(http.client.HTTPConnection("127.0.0.1", app.public, timeout=60)) as upload:
        upload.putrequest("POST", "/")
        upload.putheader("Content-Length", str(len(body)))
        upload.endheaders(body[:-1])
        with app.running("deploy", "app", "--version", "v2") as first:
            wait_for(first, "confirm")
            with pytest.raises(subprocess.TimeoutExpired):  # the drain waits for the last byte
                first.wait(timeout=2)
            assert app.serving() == "v2"
            assert f"{app.name}-app-blue-1" in app.containers()
            upload.send(body[-1:])
            answer = upload.getresponse()
            assert (answer.status, json.loads(answer.read())["version"]) == (200, "v1")
            first.communicate(timeout=60)
        assert first.returncode == 0


def test_an_upload_that_outlives_its_version_is_never_the_candidates(operator: Operator) -> None:
    """v1 is gone when the body has arrived: v2 gets it, whom users have; v3 waits for it to be over."""
    operator.write_stack({"drain_timeout": "2s"})
    operator.up()
    body = b"a" * 1000
    with closing(http.client.HTTPConnection("127.0.0.1", operator.public, timeout=60)) as upload:
        upload.putrequest("POST", "/")
        upload.putheader("Content-Length", str(len(body)))
        upload.endheaders(body[:-1])
        assert operator.deploy("v2").code == 0
        operator.write_stack({"drain_timeout": "60s"})
        with operator.running("deploy", "app", "--version", "v3") as second:
            wait_for(second, "plan")
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(timeout=2)
            assert f"{operator.name}-app-blue-1" not in operator.containers()
            upload.send(body[-1:])
            answer = upload.getresponse()
            assert (answer.status, json.loads(answer.read())["version"]) == (200, "v2")
            second.communicate(timeout=60)
        assert second.returncode == 0
    assert operator.serving() == "v3"


def test_a_slow_request_ends_where_it_began(app: Operator) -> None:
    """A request of four seconds that was sent before the switch is answered by the old version."""
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(app.get, "/?seconds=4") for _ in range(4)]
        done = app.deploy("v2")
        answers = [each.result() for each in slow]

    assert done.code == 0
    assert [status for status, _ in answers] == [200] * 4
    assert {document["version"] for _, document in answers} == {"v1"}
    assert app.serving() == "v2"


def test_only_the_gateway_can_be_reached_from_outside(app: Operator) -> None:
    """No other container publishes a port, and the admin listener is on loopback."""
    app.deploy("v2")

    published = app.published()
    assert published.pop(f"{app.name}-gateway") == sorted([app.public, app.admin])
    assert set(published) == {f"{app.name}-app-green-1", f"{app.name}-app-green-2"}
    assert all(ports == [] for ports in published.values())
    ports = app.engine.inspect_container(f"{app.name}-gateway")["NetworkSettings"]["Ports"]
    assert [binding["HostIp"] for binding in ports["8081/tcp"]] == ["127.0.0.1"]


def test_a_rollback_wakes_what_was_kept_and_recreates_what_was_not(operator: Operator) -> None:
    """With `keep: removed` a rollback needs a version; either way it passes the same gate."""
    operator.write_stack({"keep": "removed"})
    operator.up()
    operator.deploy("v2")

    lost = operator.run("rollback", "app")
    assert lost.code == 1
    assert "`stackctl rollback app --to v1`" in lost.stderr
    named = operator.run("rollback", "app", "--to", "v1", "--output", "json")
    assert named.code == 0
    assert operator.serving() == "v1"

    operator.write_stack({"keep": "stopped"})
    operator.deploy("v3")
    before = set(operator.containers(running=False))
    assert operator.run("rollback", "app").code == 0
    assert operator.serving() == "v1"
    assert set(operator.containers(running=False)) == before


def test_a_lost_request_makes_the_release_exit_6(app: Operator) -> None:
    """A version that hangs up on clients is found by the witness, and the evidence says so."""
    done = app.deploy("rude")

    assert done.code == 6
    assert done.document["outcome"] == "deployed"
    assert done.document["witness"]["lost"] > 0
    evidence = app.evidence(done)
    assert evidence["verdict"]["lossless"] is False
    assert evidence["witness"]["losses"][0]["lost"]


@contextmanager
def visiting(operator: Operator, every: float) -> Iterator[list[int]]:
    """Let a user ask again and again while the block runs; the list fills with the statuses."""
    statuses: list[int] = []
    over = Event()

    def visit() -> None:
        while not over.wait(every):
            statuses.append(operator.get()[0])

    with ThreadPoolExecutor(1) as pool:
        visitor = pool.submit(visit)
        try:
            yield statuses
        finally:
            over.set()
    visitor.result()


def guess_token(operator: Operator) -> int:
    """Ask as a witness whose token nobody has given out; return the status."""
    with closing(http.client.HTTPConnection("127.0.0.1", operator.public, timeout=10)) as client:
        client.request("GET", "/", headers={"X-Stackctl-Witness": "0" * 32})
        return client.getresponse().status


def test_the_witness_takes_nothing_from_users_of_a_limited_route(operator: Operator) -> None:
    """It asks four times as often as the limit allows, and users at its address are not refused.

    A login page in front of everything is no loss either: it was there before.
    """
    operator.write_stack({"routes": [{"path": "/", "rate_limit": "5/s"}], "version": "login1"})
    operator.up()
    with visiting(operator, every=0.25) as statuses:
        done = operator.deploy("login2")

    assert done.code == 0, done.stdout
    assert done.document["witness"]["lost"] == 0
    assert done.document["witness"]["sent"] > 5 * done.document["seconds"]["total"]
    assert {*statuses} == {302}
    assert 429 in [guess_token(operator) for _ in range(20)]
    told = [line for line in operator.gateway_log().splitlines() if line.startswith("{")]
    assert {json.loads(line)["witness"] for line in told} == {"", "1"}  # and no token


def test_a_burst_at_an_app_with_a_short_queue_is_answered(operator: Operator) -> None:
    """What a full listen queue drops is sent again after a second: NGINX must wait for that.

    The app stands still for most of it, so that its queue of three is full whatever the machine does.
    """
    operator.write_stack({"replicas": 1, "version": "narrow"})
    operator.up()
    replica = f"{operator.name}-app-blue-1"
    with ThreadPoolExecutor(max_workers=9) as users:
        operator.engine.pause(replica)
        try:
            burst = [users.submit(operator.get) for _ in range(9)]
            Event().wait(
                0.8
            )  # seconds: a second try after half a second meets the full queue as well
        finally:
            operator.engine.unpause(replica)
        assert [one.result()[0] for one in burst] == [200] * 9


def test_many_clients_that_stay_connected_are_all_drained(app: Operator) -> None:
    """Keep-alive POSTs from 40 strict clients with idle gaps all get answers through a release."""

    def converse(position: int) -> int:
        answered = 0
        connection = http.client.HTTPConnection("127.0.0.1", app.public, timeout=10)
        while not done.is_set():
            connection.request("POST", "/", body=b'{"by":"strict"}')
            answer = connection.getresponse()
            assert answer.status == 200
            answer.read()
            answered += 1
            if answer.will_close:
                connection.close()
            done.wait(0.05 + position * 0.045)  # up to 1.85 s, just under the keep-alive of 2 s
        connection.close()
        return answered

    done = Event()
    with ThreadPoolExecutor(max_workers=40) as pool:
        clients = [pool.submit(converse, position) for position in range(40)]
        try:
            results = [app.deploy(version).code for version in ("v2", "v3")]
        finally:
            done.set()
    assert results == [0, 0]
    assert sum(client.result() for client in clients) > 200
