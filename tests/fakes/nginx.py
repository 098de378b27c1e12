"""NGINX inside a fake gateway container: it reads the very configs and links that stackctl writes.

It knows what a release depends on: a test of a config that changes nothing, a reload that takes a
moment or is ignored, old workers that linger, a link that decides with each request, and requests
that are not answered yet.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import httpx

from orchestrator.errors import EngineError, NotFound
from orchestrator.gateway.addresses import COLORS
from orchestrator.gateway.admin import (
    BUSY,
    CLOSED,
    NOBODY,
    NOWHERE,
    PAUSED,
    SERVED,
    UNREACHED,
    UNSPOKEN,
    UPSTREAM,
)
from orchestrator.gateway.config import INNER, parse_config
from orchestrator.gateway.files import LIVE, stops_users
from orchestrator.grpc import CHECK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.clock import Clock

WORKERS = 2
READ = 512  # answers that are kept: the same few configs are read thousands of times
Server = tuple[str, int]  # address and port
# A location of a route, as far as where it says which service it is one of.
ROUTE = re.compile(
    r"location (?:= )?(\S+) {\n(?:(?! {8}}).*\n)*? +set \$stackctl_target (\S+)_blue;"
)
INCLUDE = re.compile(r'<!--# include virtual="/lane/([a-z0-9-]+)" -->')


class Files(NamedTuple):
    """The disk of the container."""

    read: Callable[[str], str]
    names: Callable[[str], list[str]]


class Reach(NamedTuple):
    """What NGINX can reach."""

    ask: Callable[[str, int], tuple[int, str] | None]  # (address, port) -> (status, body)
    unfinished: Callable[[Sequence[Server]], bool]  # whether somebody there has not answered yet


@dataclass
class NginxHabits:
    """How the NGINX of a fake engine behaves; a test changes it as it goes."""

    refuses: dict[str, str] = field(default_factory=dict)  # part of a config's text -> its words
    ignores_reloads: int = 0  # so many of the next HUPs have no effect
    reload_takes: float = 0.01  # seconds from HUP to effect
    workers_apart: float = 0.0  # seconds between the begins of two new workers
    workers_linger: float = 0.05  # seconds that an old worker takes to leave
    keeps_out: bool = False  # takes its own host for a stranger
    keeps_links: bool = False  # the process that moves links says it did, and did not
    lets_in: bool = False  # takes who asks for one of those whom no pause stops
    blind: bool = False  # its users see no link moved
    deaf: bool = False  # it takes no connections at its public port
    deaf_upstreams: bool = False  # it reaches nobody through an upstream
    clings_to: dict[str, float] = field(default_factory=dict)  # versions, and until when users wait

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
        files: Files,
        reach: Reach,
        pids: Iterator[int],
    ) -> None:
        self.text = ""  # of the config that it serves
        self.said: list[str] = []  # on its error log
        self._habits = habits
        self._clock = clock
        self._files = files
        self._reach = reach
        self._pids = pids
        self._master = next(pids)
        self._workers: list[Worker] = []
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
            text = self._files.read(path)
        except NotFound:
            return f'[emerg] open() "{path}" failed (2: No such file or directory)'
        for part, words in self._habits.refuses.items():
            if part in text:
                return words
        whole = "events {" in text and text.count("{") == text.count("}")
        return "" if whole else f"[emerg] unexpected end of file in {path}"

    def processes(self) -> dict[int, str]:
        """Return master and workers by pid, with the titles that they give themselves."""
        self._settle()
        titles = {self._master: f"nginx: master process nginx -c {self._path}"}
        for worker in self._begun():
            leaving = " is shutting down" if worker.gone_at is not None else ""
            titles[worker.pid] = f"nginx: worker process{leaving}"
        return titles

    def serving(self, service: str) -> list[Server]:
        """Return the replicas that users of a service get."""
        self._settle()
        upstream = "" if self._is_closed(service, self.text) else self._decide(service)
        return [*_servers(self.text, upstream)] if upstream else []

    def reachable(self) -> set[Server]:
        """Return the replicas that users may be sent to, or whose answer somebody waits for."""
        self._settle()
        found: set[Server] = set()
        for worker in self._workers:
            for name in _upstreams(worker.text):
                service = name.rpartition("_")[0]
                servers = _servers(worker.text, name)
                shut = self._is_closed(service, worker.text)
                decided = not shut and self._decide(service) == name
                if decided or self._reach.unfinished(servers):
                    found.update(servers)
        return found

    def answer(self, request: httpx.Request) -> httpx.Response:  # noqa: PLR0911
        """Answer on the admin listener as the config says; at the public door, who would serve."""
        self._settle()
        path = request.url.path
        if "X-Stackctl-Witness" in request.headers:
            return self._serve(path)
        if self._habits.keeps_out:
            return httpx.Response(403)
        if path == "/lanes":
            return httpx.Response(200, text=self._tell_lanes())
        if lane := re.fullmatch(r"/lane/([a-z0-9-]+)", path):
            return httpx.Response(200, text=self._lane(lane[1]))
        if busy := re.fullmatch(r"/busy/([a-z0-9-]+_(?:blue|green))", path):
            waits = self._reach.unfinished(_servers(self.text, busy[1]))
            return httpx.Response(200, headers={BUSY: "REJECTED_DRY_RUN" if waits else NOBODY})
        if probe := re.fullmatch(r"/probe/([a-z0-9-]+)(/.*)", path):
            return self._probe(probe[1], probe[2], request.method)
        if preview := re.fullmatch(r"/preview/([a-z0-9-]+)/(blue|green)(/.*)", path):
            return self._preview(path, f"{preview[1]}_{preview[2]}")
        return self._answer_itself(path)

    def _serve(self, path: str) -> httpx.Response:
        """Answer a user: with who served, as a witness is told."""
        public, _, _ = self.text.partition(f"# {INNER}")
        routes = ROUTE.findall(public)
        fitting = [(route, service) for route, service in routes if path.startswith(route)]
        if not fitting:
            return httpx.Response(404, headers={SERVED: NOWHERE})
        if self._is_closed(max(fitting)[1], self.text):
            return httpx.Response(503, headers={SERVED: CLOSED})
        if self._is_paused(max(fitting)[1]):
            return httpx.Response(503, headers={SERVED: PAUSED})
        upstream = self._decide(max(fitting)[1])
        return httpx.Response(200 if upstream else 503, headers={SERVED: upstream or NOWHERE})

    def _is_closed(self, service: str, text: str) -> bool:
        """Whether a worker with this config tells users to come back: it has to ask for the file."""
        asks = f"if (-f {LIVE}/{service}/closed)" in text or f"{service}_blue;" not in text
        return asks and self._has(service, "closed")

    def _is_paused(self, service: str) -> bool:
        """Whether users are told so because somebody wants it."""
        asks = stops_users(self.text, service) and not self._habits.lets_in
        return asks and self._has(service, "paused")

    def _has(self, service: str, mark: str) -> bool:
        try:
            return self._files.read(f"{LIVE}/{service}/{mark}") is not None
        except (NotFound, EngineError):
            return False

    def _decide(self, service: str) -> str:
        """Return the upstream that a request of a service is sent to; empty where nobody is."""
        if not self._lane(service):
            return ""
        for color in COLORS:
            asks = f"if (-f {LIVE}/{service}/{color}" in self.text and not self._habits.blind
            if asks and self._has(service, color):
                return f"{service}_{color}"
        try:
            buckets = self._files.names(f"{LIVE}/{service}/share")
        except NotFound:
            buckets = []
        moved = bool(buckets) != self._habits.blind
        return f"{service}_green" if moved else f"{service}_blue"

    def _lane(self, service: str) -> str:
        try:
            return self._files.read(f"{LIVE}/{service}/lane.json")
        except (NotFound, EngineError):  # a link that leads in a circle is as good as none
            return ""

    def _tell_lanes(self) -> str:
        """Fill each lane into the list of them, as a server-side include does."""
        config = parse_config(self.text)
        listed = self._files.read(f"/etc/stackctl/configs/{getattr(config, 'id', '')}/lanes")
        return INCLUDE.sub(lambda found: self._lane(found[1]), listed)

    def _answer_itself(self, path: str) -> httpx.Response:
        """Answer as a location without an upstream says: with a text, a file or its counters."""
        place = _location(self.text, path)
        if "stub_status;" in place:
            return httpx.Response(200, text="Active connections: 3 \n 7 7 42 \n")
        if said := re.search(r"return 200 '(.*)';", place):
            return httpx.Response(200, text=said[1])
        file = re.search(r"alias (\S+);", place)
        try:
            text = self._files.read(file[1]) if file else None
        except NotFound:
            text = None
        return httpx.Response(404) if text is None else httpx.Response(200, text=text)

    def _probe(self, replica: str, path: str, method: str) -> httpx.Response:
        """Ask the one replica of that name, for its health and nothing else."""
        if method != ("POST" if path == CHECK else "GET"):
            return httpx.Response(405)
        found = re.search(rf"\n +{replica}{re.escape(path)} ([\d.]+):(\d+);", self.text)
        if found is None:
            return httpx.Response(404)
        answer = self._pass_on([(found[1], int(found[2]))])
        if path == CHECK and not answer.content.startswith(b"\0") and answer.is_success:
            return httpx.Response(502, text=UNSPOKEN)
        return httpx.Response(502, text=UNREACHED) if answer.status_code == 502 else answer

    def _preview(self, path: str, upstream: str) -> httpx.Response:
        servers = _servers(self.text, upstream)
        if not servers or f"location = {path} {{" not in self.text:
            return httpx.Response(404)
        if self._habits.deaf_upstreams:
            return httpx.Response(502, text="no live upstreams")
        turn = next(self._turns) % len(servers)
        return self._pass_on((*servers[turn:], *servers[:turn]))

    def _pass_on(self, servers: Sequence[Server]) -> httpx.Response:
        """Ask one server after the other until one answers."""
        for address, port in servers:
            answer = self._reach.ask(address, port)
            if answer is not None:
                status, body = answer
                place = {"Location": body} if 300 <= status < 400 else {}
                headers = {UPSTREAM: f"{address}:{port}", **place}
                return httpx.Response(status, text=body, headers=headers)
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
        self.text = self._files.read(self._path)
        for worker in self._workers:
            if worker.gone_at is None:
                worker.gone_at = now + min(self._habits.workers_linger, self._longest())
        self._workers += [
            Worker(next(self._pids), self.text, now + number * self._habits.workers_apart)
            for number in range(WORKERS)
        ]

    def _longest(self) -> float:
        limit = re.search(r"worker_shutdown_timeout (\d+)ms;", self.text)
        return int(limit[1]) / 1000 if limit else float("inf")


@lru_cache(READ)
def _location(text: str, path: str) -> str:
    found = re.search(rf"\n +location = {path} {{(.*?)\n        }}\n", text, re.DOTALL)
    return found[1] if found else ""


@lru_cache(READ)
def _upstreams(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\n    upstream (\S+_(?:blue|green)) {", text))


@lru_cache(READ)
def _servers(text: str, upstream: str) -> tuple[Server, ...]:
    block = re.search(rf"upstream {re.escape(upstream)} {{(.*?)\n    }}", text, re.DOTALL)
    found = re.findall(r"\n\s+server ([\w.-]+):(\d+) ", block[1]) if block else []
    return tuple((address, int(port)) for address, port in found)
