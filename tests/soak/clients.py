"""Everybody who uses the app during a soak. Nobody sends anything twice."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from orchestrator.evidence.patience import PATIENCE
from orchestrator.evidence.wire import Connection, Errand, Lost
from orchestrator.evidence.witness import STRANGER, Witness
from orchestrator.stack.model import WitnessRequest
from tests.e2e.load import SCRIPT, Load, under_load
from tests.soak import host
from tests.soak.halt import Halted
from tests.soak.tally import Cut, Tally, count_samples, judge_cuts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.evidence.samples import Sample
    from orchestrator.stack.quantities import Address
    from tests.soak.switches import Switches

RATE = 300  # requests a second of k6
KEEPALIVE, DRAIN = 2.0, 8.0  # seconds; what the operator writes into stack.yaml
SCRIPT_OF_HOURS = SCRIPT.parents[1] / "soak" / "load.js"
SLOW = (2.0, 2.7, 3.3, 4.0)  # seconds that the answers take; a client for each
SOCKETS = 6
ECHO_EVERY = 1.0  # seconds
K6 = "k6, GETs and POSTs"
TOLD = 10  # of the requests that k6 lost, one by one
REQUESTS = (
    WitnessRequest(path="/"),
    WitnessRequest(method="POST", path="/", json={"by": "soak"}),
)


@dataclass
class Crowd:
    """The clients of one stretch of time; the tallies are whole once it is over."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    rate: float = 0.0  # requests a second that k6 sent on average
    closed_early: int = 0  # kept connections that were closed within the announced time

    @property
    def sent(self) -> int:
        """Return how many requests were sent."""
        return sum(tally.sent for tally in self.tallies.values())

    @property
    def lost(self) -> int:
        """Return how many of them were lost."""
        return sum(tally.lost for tally in self.tallies.values())


@contextmanager
def in_use(crowd: Crowd, address: Address, folder: Path, switches: Switches) -> Iterator[None]:
    """Have everybody send while the block runs, and count what became of it in `crowd`.

    Where the block ends with Halted the counts are as whole as otherwise.
    """
    halted: Halted | None = None
    samples: list[Sample] = []
    witness = Witness(address, REQUESTS, KEEPALIVE, samples.append)
    patrons = Patrons(address)
    folder.mkdir()
    load = under_load(f"http://{address}/", folder, rate=RATE, script=SCRIPT_OF_HOURS)
    try:
        with load as k6:
            witness.start()
            patrons.start()
            try:
                yield
            except Halted as error:
                halted = error
            finally:
                figures = witness.stop()
                patrons.stop()
                crowd.closed_early = figures.closed_early
        crowd.tallies[K6] = count_load(k6, (folder / "k6.log").read_text())
        crowd.rate = read_rate((folder / "k6-summary.json").read_text())
    finally:
        judge_cuts(patrons.echoes, patrons.cuts, switches.times, DRAIN)
        crowd.tallies |= count_samples(samples)
        crowd.tallies |= {"slow GETs": patrons.slow, "WebSocket echoes": patrons.echoes}
    if halted:
        raise halted
    if figures.failure or patrons.failure:
        raise Halted(f"a client broke: {figures.failure or patrons.failure}")


def count_load(load: Load, log: str) -> Tally:
    """Count what k6 sent; its log says what was lost, other answers than 200 aside."""
    said = [line for line in log.splitlines() if "Request Failed" in line]
    return Tally(load.sent, load.failed, losses=said[:TOLD])


def read_rate(summary: str) -> float:
    """Return how many requests a second k6 sent on average."""
    rate: float = json.loads(summary)["metrics"]["http_reqs"]["values"]["rate"]
    return rate


class Patrons:
    """Those who stay long: slow requests and WebSockets, in a thread of their own."""

    def __init__(self, address: Address, echo_every: float = ECHO_EVERY) -> None:
        self.slow, self.echoes = Tally(), Tally()
        self.cuts: list[Cut] = []
        self.failure: str | None = None
        self._address = address
        self._echo_every = echo_every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="patrons")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Let what is in flight end."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._stay())
        except Exception as error:  # noqa: BLE001  it is told with the result
            self.failure = f"{type(error).__name__}: {error}"

    async def _stay(self) -> None:
        async with asyncio.TaskGroup() as group:
            for seconds in SLOW:
                group.create_task(self._wait_long(seconds))
            for _ in range(SOCKETS):
                group.create_task(self._chat())

    async def _wait_long(self, seconds: float) -> None:
        """Always have one request in flight, each over a connection of its own."""
        errand = Errand(
            "GET", f"/?seconds={seconds:g}", str(self._address), b"", 200, STRANGER, "GET"
        )
        while not self._over.is_set():
            self.slow.sent += 1
            try:
                async with asyncio.timeout(PATIENCE):
                    connection = await Connection.open(self._address)
                    try:
                        status, _ = await connection.ask(errand)
                    finally:
                        connection.close()
            except (Lost, TimeoutError) as error:
                self.slow.lose(f"{errand.name}: {error or 'no answer'}")
                await asyncio.sleep(self._echo_every)
            else:
                if status != errand.expect:
                    self.slow.lose(f"{errand.name}: status {status}")

    async def _chat(self) -> None:
        """Be connected by a WebSocket all the time, and connect anew where it was closed."""
        url = f"ws://{self._address}/socket"
        while not self._over.is_set():
            opened = host.now()
            self.echoes.sent += 1
            try:
                # No pings of the library's own, and no way around by a proxy.
                opening = connect(url, compression=None, ping_interval=None, proxy=None)
                async with opening as socket:
                    await self._exchange(socket, opened)
            except (OSError, WebSocketException, TimeoutError) as error:
                self.echoes.lose(f"WebSocket: {type(error).__name__}: {error}")
                await asyncio.sleep(self._echo_every)

    async def _exchange(self, socket: ClientConnection, opened: float) -> None:
        """Ask for an echo now and then, until the connection is closed or the time is over."""
        waiting = False
        for number in range(1_000_000):
            if self._over.is_set():
                return
            try:
                await socket.send(str(number))
                self.echoes.sent += 1
                waiting = True
                answer = await asyncio.wait_for(socket.recv(), PATIENCE)
            except ConnectionClosed:
                break
            waiting = False
            if answer != str(number):
                self.echoes.lose(f"WebSocket: asked for {number}, got {answer!r}")
            try:
                await asyncio.wait_for(socket.wait_closed(), self._echo_every)
            except TimeoutError:
                continue
            break
        self.cuts.append(Cut(opened, host.now(), waiting))
