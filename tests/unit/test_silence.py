"""An engine that says nothing: people are told for how long, and what it was asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from orchestrator.console import Console
from orchestrator.engine.connection import Client, get_doing, translated
from orchestrator.engine.endpoint import Endpoint
from orchestrator.engine.silence import EVERY, FIRST, Silence
from orchestrator.errors import EngineError
from orchestrator.events import Unanswered
from orchestrator.settings import Settings
from tests.fakes.server import Request, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 30.0  # seconds until a test gives up
VERSION = b'{"ApiVersion": "1.41", "Version": "20.10"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(VERSION), VERSION)


class Ear:
    """Hears what is told of a silence; time passes at once, so many times."""

    def __init__(self, waits: int) -> None:
        self.told: list[tuple[str, float, bool]] = []
        self.waited: list[float] = []
        self.enough = threading.Event()
        self._left = waits

    def hear(self, doing: str, seconds: float, over: bool) -> None:  # noqa: FBT001  as it is called
        """Take it down."""
        self.told.append((doing, seconds, over))
        if over or self._left == 0:
            self.enough.set()

    def wait(self, answered: threading.Event, seconds: float) -> bool:
        """Let time pass; once that was often enough, wait for the answer."""
        self.waited.append(seconds)
        if self._left:
            self._left -= 1
            return False
        return answered.wait(PATIENCE)


def test_a_silence_is_told_after_a_moment_and_then_each_second() -> None:
    """With what was asked, and that it is over."""
    ear = Ear(waits=3)
    with Silence(ear.hear, ear.wait).watched("starting `x`"):
        assert ear.enough.wait(PATIENCE)
        ear.enough.clear()
    assert ear.enough.wait(PATIENCE)
    assert ear.told == [
        ("starting `x`", FIRST, False),
        ("starting `x`", FIRST + EVERY, False),
        ("starting `x`", FIRST + 2 * EVERY, False),
        ("starting `x`", FIRST + 2 * EVERY, True),
    ]
    assert ear.waited[0] == FIRST


def test_what_is_answered_in_time_is_not_told() -> None:
    """However it ends."""
    ear = Ear(waits=0)
    with pytest.raises(KeyError), Silence(ear.hear, ear.wait).watched("starting `x`", 10.0):
        raise KeyError
    assert ear.told == []


def ask(ear: Ear, act: Callable[[Client], object]) -> None:
    """Ask an engine that answers its version at once, and all else once that was missed."""

    def behave(request: Request) -> bool:
        return ("version" in request.path or ear.enough.wait(PATIENCE)) and request.answer(ANSWER)

    with serving(behave) as server:
        host, port = server.address
        client = Client(Endpoint(f"tcp://{host}:{port}"), 60)
        client.silence = Silence(ear.hear, ear.wait)
        act(client)
        client.close()


def test_a_call_of_the_engine_is_watched() -> None:
    """By the words that an error of it would have."""

    def look(client: Client) -> object:
        with translated("looking at `x`"):
            return client.inspect_container("x")

    ear = Ear(waits=2)
    ask(ear, look)
    assert ear.told[0] == ("looking at `x`", FIRST, False)


def test_an_engine_that_is_to_wait_itself_is_given_the_time() -> None:
    """A container that may take 20 s to stop is no silence."""
    ear = Ear(waits=1)
    ask(ear, lambda client: client.stop("x", timeout=20))
    assert ear.waited[0] == 20 + FIRST
    assert ear.told[0][1] == 20 + FIRST


def test_what_is_asked_is_forgotten_with_the_call() -> None:
    """Also where it fails, and inside of another call."""
    inner = []

    def fail() -> None:
        with translated("inner"):
            inner.append(get_doing())
            raise OSError

    with translated("outer"):
        with pytest.raises(EngineError):
            fail()
        assert get_doing() == "outer"
    assert inner == ["inner"]
    assert get_doing() == "connecting"


def test_a_log_has_a_line_now_and_then(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """After twice as long each time, and at its end."""
    with Console(Settings(tmp_path, "text", color=False)) as console:
        for seconds in range(5, 45):
            console.show(Unanswered("start of `x`", float(seconds), over=False))
        console.show(Unanswered("start of `x`", 44.0, over=True))
        console.show(Unanswered("stop of `x`", 5.0, over=False))
    assert capsys.readouterr().err.splitlines() == [
        *(
            f"  waiting the engine has not answered for {seconds} s (start of `x`)"
            for seconds in (5, 10, 20, 40)
        ),
        "  waiting the engine was silent for 44 s (start of `x`)",
        "  waiting the engine has not answered for 5 s (stop of `x`)",
    ]
