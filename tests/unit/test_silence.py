"""An engine that says nothing: people are told for how long, and what it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.console import Console
from orchestrator.engine.connection import get_doing, translated
from orchestrator.engine.silence import EVERY, FIRST, Silence
from orchestrator.errors import EngineError
from orchestrator.events import Unanswered
from orchestrator.settings import Settings
from tests.fakes.ear import Ear

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0  # seconds until a test gives up


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
