"""NGINX inside a fake gateway container: it reads the very configs that stackctl renders.

It knows what a release depends on: a test of a config that changes nothing, a reload that takes a
moment or is ignored, old workers that linger, names that are resolved only after the reload.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from orchestrator.errors import NotFound
from orchestrator.gateway.admin import UPSTREAM
from orchestrator.gateway.routing import Routing, parse_config
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.clock import Clock

WORKERS = 2
Ask = Callable[[str, int], tuple[str, int, str] | None]  # -> (address, status, body)


@dataclass
class NginxHabits:
    """How the NGINX of a fake engine behaves; a test changes it as it goes."""

    refuses: dict[str, str] = field(default_factory=dict)  # part of a config's id -> its words
    ignores_reloads: int = 0  # so many of the next HUPs have no effect
    reload_takes: float = 0.01  # seconds from HUP to effect
    workers_apart: float = 0.0  # seconds between the begins of two new workers
    workers_linger: float = 0.05  # seconds that an old worker takes to leave
    resolves_after: float = 0.03  # seconds from a reload until names that are new to it are known
    keeps_out: bool = False  # takes its own host for a stranger
    clings_to: set[str] = field(default_factory=set)  # versions it never lets go a connection to

    def ignore(self, reloads: int) -> None:
        """Let so many of the next reloads have no effect."""
        self.ignores_reloads = reloads


@dataclass
class Worker:
    """A worker process; once it is leaving, it is known when it will have gone."""

    pid: int
    text: str  # of the config that it was started with, and keeps to
    begins_at: float
    gone_at: float | None = None


class FakeNginx:
    """A running NGINX, from its start to its end."""

    def __init__(
        self,
        habits: NginxHabits,
        clock: Clock,
        read: Callable[[str], str],
        ask: Ask,
        pids: Iterator[int],
    ) -> None:
        self.text = ""  # of the config that it serves
        self.said: list[str] = []  # on its error log
        self._habits = habits
        self._clock = clock
        self._read = read  # a file as it is now
        self._ask = ask  # another container, by name and port
        self._pids = pids
        self._master = next(pids)
        self._workers: list[Worker] = []
        self._zones: dict[str, float] = {}  # when it first heard of a zone
        self._path = ""
        self._reload_at: float | None = None
        self._turns = itertools.count()

    def start(self, path: str) -> bool:
        """Load a config; False where it cannot and ends."""
        self._path = path
        self._load()
        return bool(self.text)

    def hang_up(self) -> None:
        """Take a HUP. That it came back says nothing of what it did."""
        if self._habits.ignores_reloads:
            self._habits.ignores_reloads -= 1
        else:
            self._reload_at = self._clock.monotonic() + self._habits.reload_takes

    def test(self, path: str) -> str:
        """Return what `nginx -t` complains of; empty where the config is good."""
        try:
            text = self._read(path)
        except NotFound:
            return f'[emerg] open() "{path}" failed (2: No such file or directory)'
        routing = parse_config(text)
        for part, words in self._habits.refuses.items():
            if routing is not None and part in routing.id:
                return words
        whole = "events {" in text and text.count("{") == text.count("}")
        return "" if whole else f"[emerg] unexpected end of file in {path}"

    @property
    def routing(self) -> Routing | None:
        """What the config that it serves says of itself."""
        self._settle()
        return parse_config(self.text)

    def processes(self) -> dict[int, str]:
        """Return master and workers by pid, with the titles that they give themselves."""
        self._settle()
        titles = {self._master: f"nginx: master process nginx -c {self._path}"}
        for worker in self._begun():
            leaving = " is shutting down" if worker.gone_at is not None else ""
            titles[worker.pid] = f"nginx: worker process{leaving}"
        return titles

    def servers(self, upstream: str) -> list[tuple[str, int]]:
        """Return the names and ports that an upstream block lists."""
        return _servers(self.text, upstream)

    def reachable(self) -> set[str]:
        """Return the containers that a worker, also one that is leaving, may send users to."""
        self._settle()
        return {name for worker in self._workers for name in _public(worker.text)}

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer on the admin listener, as the config says."""
        self._settle()
        if self._habits.keeps_out:
            return httpx.Response(403)
        path = request.url.path
        if place := re.search(rf"\n +location = {path} {{(.*?)\n +}}\n", self.text, re.DOTALL):
            return self._answer_itself(place[1])
        if probe := re.fullmatch(r"/probe/([a-z0-9-]+):(\d+)(/.*)", path):
            return self._pass_on([(probe[1], int(probe[2]))])
        if preview := re.fullmatch(r"/preview/([a-z0-9-]+)(/.*)", path):
            return self._preview(preview[1])
        return httpx.Response(404)

    def _answer_itself(self, place: str) -> httpx.Response:
        """Answer as a location without an upstream says: with a text, a file or its counters."""
        if "stub_status;" in place:
            return httpx.Response(200, text="Active connections: 3 \n 7 7 42 \n")
        if said := re.search(r"return 200 '(.*)';", place):
            return httpx.Response(200, text=said[1])
        file = re.search(r"alias (\S+);", place)
        try:
            return httpx.Response(200, text=self._read(file[1])) if file else httpx.Response(404)
        except NotFound:
            return httpx.Response(404)

    def _preview(self, service: str) -> httpx.Response:
        place = rf"location /preview/{service}/ {{\s+proxy_pass http://([\w-]+)/;"
        found = re.search(place, self.text)
        if found is None:
            return httpx.Response(404)
        zone = re.search(rf"upstream {found[1]} {{\s+zone (\S+) ", self.text)
        known_since = self._zones.get(zone[1], 0.0) if zone else 0.0
        if self._clock.monotonic() - known_since < self._habits.resolves_after:
            return httpx.Response(502, text="no live upstreams")
        servers = self.servers(found[1])
        turn = next(self._turns) % len(servers)
        return self._pass_on(servers[turn:] + servers[:turn])

    def _pass_on(self, servers: list[tuple[str, int]]) -> httpx.Response:
        """Ask one server after the other until one answers."""
        for name, port in servers:
            answer = self._ask(name, port)
            if answer is not None:
                address, status, body = answer
                return httpx.Response(status, text=body, headers={UPSTREAM: f"{address}:{port}"})
        return httpx.Response(502, text="connection refused")

    def _settle(self) -> None:
        """Let happen what is due by now: a reload, the end of old workers."""
        now = self._clock.monotonic()
        if self._reload_at is not None and now >= self._reload_at:
            self._reload_at = None
            self._load()
        self._workers = [w for w in self._workers if w.gone_at is None or w.gone_at > now]

    def _begun(self) -> list[Worker]:
        return [w for w in self._workers if w.begins_at <= self._clock.monotonic()]

    def _load(self) -> None:
        fault = self.test(self._path)
        if fault:
            self.said.append(fault)
            return
        now = self._clock.monotonic()
        self.text = self._read(self._path)
        for worker in self._workers:
            if worker.gone_at is None:
                worker.gone_at = now + min(self._habits.workers_linger, self._longest())
        self._workers += [
            Worker(next(self._pids), self.text, now + number * self._habits.workers_apart)
            for number in range(WORKERS)
        ]
        zones = re.findall(r"zone (\S+) ", self.text)
        self._zones = {zone: self._zones.get(zone, now) for zone in zones}

    def _longest(self) -> float:
        limit = re.search(r"worker_shutdown_timeout (\d+)ms;", self.text)
        return int(limit[1]) / 1000 if limit else float("inf")


def _public(text: str) -> list[str]:
    """Return the containers behind the active color of every service."""
    routing = parse_config(text)
    lanes = routing.lanes.items() if routing else ()
    upstreams = [
        naming.upstream_name(service, lane.active.color) for service, lane in lanes if lane.active
    ]
    return [name for upstream in upstreams for name, _ in _servers(text, upstream)]


def _servers(text: str, upstream: str) -> list[tuple[str, int]]:
    block = re.search(rf"upstream {re.escape(upstream)} {{(.*?)\n    }}", text, re.DOTALL)
    found = re.findall(r"\n\s+server ([\w.-]+):(\d+) ", block[1]) if block else []
    return [(name, int(port)) for name, port in found]
