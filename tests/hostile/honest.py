"""Users who mean no harm, and forty of the platform. Nobody sends anything twice."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from tests.e2e.users import PASSWORD, form_around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.users import User

PATIENCE = 20.0  # seconds until a request without an answer is lost
PAUSE = 0.2  # seconds between two requests of a user
STAY = 4.0  # seconds that somebody listens to events before they come again
PIECE, PIECES = bytes(20_000), 20  # of a file that is sent, one each `PAUSE`


@dataclass
class Account:
    """What the users sent, and what became of it."""

    sent: int = 0
    slowest: float = 0.0  # seconds
    lost: Counter[str] = field(default_factory=Counter)  # by what came instead of an answer
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, name: str, seconds: float, problem: str | None) -> None:
        """Count a request."""
        with self._lock:
            self.sent += 1
            self.slowest = max(self.slowest, seconds)
            if problem:
                self.lost[f"{name}: {problem}"] += 1


Habit = tuple[int, float, str, "Callable[[], object]"]  # users, seconds between, what, how


class Users:
    """People who each do one thing again and again."""

    def __init__(self, habits: list[Habit]) -> None:
        self.account = Account()
        self.over = threading.Event()
        self._threads = [
            threading.Thread(target=self._live, args=habit[1:])
            for habit in habits
            for _ in range(habit[0])
        ]

    @contextmanager
    def living(self) -> Iterator[Account]:
        """Let all of them send while the block runs; their account is whole once it is over."""
        for thread in self._threads:
            thread.start()
        try:
            yield self.account
        finally:
            self.over.set()
            for thread in self._threads:
                thread.join()

    def _live(self, pause: float, name: str, act: Callable[[], object]) -> None:
        while not self.over.wait(pause):
            began = time.monotonic()
            problem = None
            try:
                act()
            except (OSError, HTTPException, AssertionError) as error:
                problem = str(error) or type(error).__name__
            self.account.note(name, time.monotonic() - began, problem)


class Honest(Users):
    """Users of the platform behind one address: most read, some search, log in, listen or send files."""

    def __init__(self, port: int, owner: User) -> None:
        self._port = port
        self._owner = owner
        search = partial(self._ask, "POST", "/notes/search", 200, {"text": "honest"})
        login = partial(
            self._ask, "POST", "/auth/login", 200, {"email": owner.email, "password": PASSWORD}
        )
        super().__init__(
            [
                (22, PAUSE, "a list", partial(self._ask, "GET", "/notes/?limit=3", 200)),
                (8, PAUSE, "a search", search),
                (1, 2.0, "a login", login),
                (3, PAUSE, "their own account", partial(self._ask, "GET", "/auth/me", 200)),
                (4, PAUSE, "events", self._listen),
                (2, PAUSE, "an upload", self._upload),
            ]
        )

    def _connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)

    def _ask(self, method: str, path: str, expect: int, document: object = None) -> None:
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "Authorization": self._owner.authorization}
        wire = self._connect()
        try:
            wire.request(method, path, body, headers)
            answer = wire.getresponse()
            answer.read()
        finally:
            wire.close()
        assert answer.status == expect, answer.status

    def _listen(self) -> None:
        """Open a stream of events and stay; whoever is cut off has lost what they were told."""
        wire = self._connect()
        try:
            wire.request("GET", "/notes/events")
            answer = wire.getresponse()
            assert answer.status == 200, answer.status
            end = time.monotonic() + STAY
            while (left := end - time.monotonic()) > 0 and not self.over.is_set():
                wire.sock.settimeout(left)
                try:
                    assert answer.read1(), "cut off"
                except TimeoutError:
                    break
        finally:
            wire.close()

    def _upload(self) -> None:
        """Send a file as a slow line does, and take it back."""
        head, tail, kind = form_around("honest.bin")
        size = len(head) + len(PIECE) * PIECES + len(tail)
        wire = self._connect()
        try:
            wire.putrequest("POST", "/assets/")
            wire.putheader("Authorization", self._owner.authorization)
            wire.putheader("Content-Type", kind)
            wire.putheader("Content-Length", str(size))
            wire.endheaders(head)
            for _ in range(PIECES):
                wire.send(PIECE)
                self.over.wait(PAUSE)
            wire.send(tail)
            answer = wire.getresponse()
            stored = answer.read()
        finally:
            wire.close()
        assert answer.status == 201, answer.status
        self._ask("DELETE", f"/assets/{json.loads(stored)['id']}", 204)
