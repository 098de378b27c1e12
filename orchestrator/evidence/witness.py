"""The witness: clients that run beside a release and see what users would see.

They are stricter than a load generator. A kept connection is never retried: where it closes after a
request was written, that request is lost, be it a GET or a POST. Their idle gaps run from moments
to a minute, or to what the gateway announces, and nobody waits for a gap to end: when the witness is
stopped, every connection that idles sends one last request, to show that it is still there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

from orchestrator.evidence.judge import Judge
from orchestrator.evidence.listener import hold
from orchestrator.evidence.notes import Note, What
from orchestrator.evidence.patience import (
    BREATH,
    FRESH_EVERY,
    OVERDUE,
    PATIENCE,
    SHORTEST_IDLE,
    SLOW_LASTS,
    Patience,
    idle_gaps,
    rest,
)
from orchestrator.evidence.promise import name_version
from orchestrator.evidence.pulse import BEAT, Pulse, read_awake
from orchestrator.evidence.samples import Client, Figures, Sample
from orchestrator.evidence.testimony import Testimony
from orchestrator.evidence.way import Come, Line, LineT, Way
from orchestrator.evidence.websocket import WebSocket
from orchestrator.evidence.wire import SLOW_PIECES, Connection, Errand, Lost, Pause, to_errand

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from orchestrator.evidence.secure import SecureDoor
    from orchestrator.stack.model import WitnessRequest
    from orchestrator.stack.quantities import Address

STRANGER = "1"  # the token of a witness that is counted as a user is


class Witness:
    """Runs in a thread of its own between `start` and `stop`."""

    def __init__(  # noqa: PLR0913  what a release tells it once
        self,
        address: Address,
        requests: Sequence[WitnessRequest],
        keepalive: float,
        on_sample: Callable[[Sample], None],
        now: Callable[[], float] = time.time,
        *,
        token: str = STRANGER,
        versions: Mapping[str, str] | None = None,
        promised: str | None = None,
        websockets: Sequence[WitnessRequest] = (),
        on_note: Callable[[Note], None] | None = None,
        awake: Callable[[], float] = read_awake,  # goes on while this process stands still
        secure: SecureDoor | None = None,  # for the hosts that are served with TLS
        cut: Callable[[int], bool] | None = None,  # see Way
    ) -> None:
        """Prepare. `versions` are those of NGINX's upstreams, such as `notes_green`.
        A `token` that the gateway was told of keeps the requests out of its limits.
        """
        self._way, self._token = Way(address, secure, cut), token
        self._errands = [to_errand(request, self._way.host, token) for request in requests]
        self._keepalive = keepalive
        self._now = now  # Unix time, as all else in the record has it
        self._versions = dict(versions or {})
        self._websockets = websockets
        self._testimony = Testimony(on_sample, on_note)
        self._judge = Judge(self._versions, self._note, self._settle)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._settled = asyncio.Event()  # whatever has begun by now must come to its end
        self._patience = Patience()
        self._pulse = Pulse(self._stood_still, awake)
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        if promised is not None:
            self.promise(promised)

    def start(self) -> None:
        """Begin to send; returns once the clients run."""
        self._thread.start()
        self._running.wait()

    def promise(self, version: str) -> None:
        """From its next answer on, count each later request that another version answers as lost.

        To be called while no user gets this version yet, or once all do.
        """
        self._judge.promise(version)

    def withdraw(self) -> None:
        """Users may get another version again: to be called before they do."""
        self._judge.withdraw()

    def let_go(self) -> None:
        """End what would hold a drain up: half-sent requests and WebSockets that are open now.

        The first answer of a color that has not answered before does the same.
        """
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._settle)

    def stop(self, closed: Sequence[tuple[float, float]] = ()) -> Figures:
        """Have idle connections show that they are still there, and return the figures."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._finish)
            self._thread.join(PATIENCE + SLOW_LASTS)
        return self._testimony.count(closed)

    def _run(self) -> None:
        try:
            asyncio.run(self._testify())
        except Exception as error:  # noqa: BLE001  a witness that breaks must not break the release
            self._testimony.failure = f"{type(error).__name__}: {error}"
        finally:
            self._running.set()

    def _settle(self) -> None:
        settled, self._settled = self._settled, asyncio.Event()
        settled.set()

    def _finish(self) -> None:
        self._over.set()
        self._settle()
        self._patience.shorten()

    async def _testify(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as clients:
            for client in self._list_clients():
                clients.create_task(client)
            self._running.set()

    def _list_clients(self) -> Iterator[Coroutine[object, object, None]]:
        """Yield all that go on at once. gRPC comes by HTTP/2 only."""
        writes = [e for e in self._errands if e.method == "POST"] or self._errands
        reads = [e for e in self._errands if e.method == "GET"] or self._errands
        yield self._watch_itself()
        yield self._browse([*writes, *reads])
        if any(errand.call for errand in self._errands):
            return
        for position, gap in enumerate(idle_gaps(self._keepalive)):
            yield self._keep(writes[position % len(writes)], gap)
        yield self._come_anew(reads)
        yield self._dawdle(writes[0], self._way.open)
        for wanted in self._websockets:
            yield self._listen(wanted)

    async def _keep(self, errand: Errand, gap: float) -> None:
        """Send over one connection, idling `gap` seconds in between, every other time a breath."""
        connection: Connection | None = None
        for pause in cycle((gap, max(gap, min(BREATH, self._keepalive / 2)))):
            connection = await self._send(errand, "keepalive", self._way.open, connection)
            if self._over.is_set():
                break
            if connection is None:
                await rest(pause, self._over)
            else:
                connection = await self._idle(connection, errand, pause)
            if self._over.is_set():
                if connection is not None:
                    connection = await self._send(errand, "keepalive", self._way.open, connection)
                break
        if connection is not None:
            connection.close()

    async def _idle(self, connection: Connection, errand: Errand, gap: float) -> Connection | None:
        """Let it idle; return it if nobody has closed it, and it is not older than what is announced."""
        await rest(gap, self._over, connection.gone)
        if not connection.closed:
            return connection.fresh(self._keepalive + OVERDUE)
        idle, cut = connection.idle, await self._way.was_cut(connection)
        missed = self._pulse.missed(self._pulse.look() - idle)
        early = idle < self._keepalive and not missed and not cut
        self._testimony.closed_early += early
        told = "while idle, before its time" if early else "while idle"
        self._note("cut" if cut else "closed", "keepalive", errand.name, idle, told)
        connection.close()
        return None

    async def _come_anew(self, errands: Sequence[Errand]) -> None:
        """Send each request over a connection of its own."""
        for errand in cycle(errands):
            connection = await self._send(errand, "fresh", self._way.open)
            if connection is not None:
                connection.close()
            await rest(FRESH_EVERY, self._over)
            if self._over.is_set():
                break

    async def _dawdle(self, errand: Errand, come: Come[Line]) -> None:
        """Always have one request half-sent, but none that would hold a drain up."""
        while not self._over.is_set():
            linger = partial(rest, SLOW_LASTS / SLOW_PIECES, self._settled)
            connection = await self._send(errand, "slow", come, pause=linger)
            if connection is not None:
                connection.close()
            await rest(SHORTEST_IDLE, self._over)

    async def _browse(self, errands: Sequence[Errand]) -> None:
        """Come by HTTP/2 too, where the gateway itself serves a host with TLS; gRPC comes with TLS or without."""
        door = self._way.own_secure
        wanted = [one for one in errands if one.call or (door and door.serves(one.host))]
        if not wanted:
            return
        from orchestrator.evidence.browser import Browser

        with closing(Browser(self._way, partial(self._note, "closed", "http2"))) as browser:
            await browser.browse(wanted, self._send, self._dawdle, self._over)
        if wanted[0].call:
            self._testimony.failure = self._testimony.failure or browser.unspoken

    async def _listen(self, wanted: WitnessRequest) -> None:
        """Hold a WebSocket until somebody closes it, or until it would hold a drain up."""
        host = wanted.host or self._way.host
        opened = WebSocket.open(self._way, wanted.path, host, self._token)
        await hold(opened, wanted.where, self._settled, self._note, self._versions, self._way)

    async def _watch_itself(self) -> None:
        """Look at the clock, so that a standstill is noticed."""
        while not self._over.is_set():
            await rest(BEAT, self._over)
            self._pulse.look()

    def _stood_still(self, seconds: float) -> None:
        """Testify no more: what clients of this process did not get, no user may have missed."""
        told = f"it stood still for {seconds:.1f} s, as a process that is stopped or a machine that sleeps"
        self._testimony.failure = self._testimony.failure or told
        self._note("stood", idle=seconds, text=told)

    async def _send(
        self,
        errand: Errand,
        client: Client,
        come: Come[LineT],
        connection: LineT | None = None,
        *,
        pause: Pause | None = None,
    ) -> LineT | None:
        """Send once and note what happened; return the connection where it may be used again."""
        at, started = self._now(), time.monotonic()
        idle = connection.idle if connection else 0.0
        since = self._pulse.look() - idle
        status, served, lost, name = None, "", None, self._way.name_request()
        refused = False
        try:
            async with self._patience.bounded():
                connection = connection or await come(errand.host)
                status, served = await connection.ask(errand, pause, name)
            served = name_version(served, self._versions)
            lost = self._judge.judge(errand, connection.decided, status, served)
        except Lost as error:
            lost, refused = str(error), error.refused
        except TimeoutError:
            lost = "no answer in time"
        if self._pulse.missed(since):  # nobody looked, so nobody is accused
            if connection is not None:
                connection.close()
            return None
        ms = round((time.monotonic() - started) * 1000, 2)
        unseen = name if status is None and await self._way.was_cut(connection) else ""
        idle = round(idle, 3)
        sample = Sample(at, client, errand.name, idle, ms, status, served, lost, unseen, refused)
        self._testimony.add(sample)
        if client != "slow" and status is not None:
            self._patience.learn(ms / 1000)
        return self._hand_back(connection, sample)

    def _hand_back(self, connection: LineT | None, sample: Sample) -> LineT | None:
        """Return the connection where it may be used again; note who has closed it where not."""
        if connection is None:
            return None
        if sample.status is not None and connection.reusable:
            connection.recycle()
            return connection
        answered = sample.status is not None
        if sample.client == "keepalive" and (answered or connection.closed):
            told = "as it was announced" if answered else "during a request"
            what: What = "cut" if sample.unseen else "closed"
            self._note(what, sample.client, sample.request, sample.idle, told)
        connection.close()
        return None

    def _note(
        self, note: What, client: str = "", request: str = "", idle: float = 0.0, text: str = ""
    ) -> None:
        self._testimony.note(Note(self._now(), note, client, request, round(idle, 3), text))
