"""Ctrl-C, SIGTERM and a closed terminal: what the first, the second and the third one do."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import Interrupted
from orchestrator.events import Failed, Undone, Warned
from orchestrator.release.phases import UNDO, Phase
from orchestrator.signals import held_back, put_off
from orchestrator.terminal import open_stream
from tests.fakes.faults import listening
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.events import Event

ROOT = Path(__file__).parents[2]
BEGIN = """
import os, signal
from orchestrator.errors import Interrupted
from orchestrator.signals import held_back, listen, put_off
def press(number): os.kill(os.getpid(), number)
listen()
"""
STOPPED = """
try:
    press(15)
except Interrupted:
    print("stopped", flush=True)
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a stack that serves v1, in a process that listens as the command line does."""
    world = World(tmp_path)
    world.up()
    world.events.clear()
    with listening():
        yield world


def run(code: str, *, before: str = "") -> tuple[int, str, str]:
    """Run a program that sends signals to itself: exit code, and what it printed on both streams."""
    line = (sys.executable, "-c", before + BEGIN + code)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr.strip()


def send(number: int) -> None:
    """Send this process a signal."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("phase", [Phase.GATE, Phase.PROMOTE, Phase.RETIRE])
def test_a_release_is_stopped_in_order(world: World, phase: Phase, number: int, code: int) -> None:
    """By a closed terminal as well: undone, with evidence, and an exit code that says by whom."""
    world.on_begin(phase, lambda: send(number))
    result = world.deploy("v2")
    assert result.exit_code == code
    assert world.serving() == ({"v2"} if phase is Phase.RETIRE else {"v1"})
    assert result.evidence is not None
    assert (world.folder / result.evidence / "evidence.json").is_file()


def test_a_terminal_that_closes_says_so_twice(world: World) -> None:
    """The shell and the kernel both tell: that ends no way back."""

    def again(event: Event) -> None:
        if isinstance(event, Failed | Undone):
            send(signal.SIGHUP)

    world.hooks.append(again)
    world.on_begin(Phase.GATE, lambda: send(signal.SIGHUP))
    result = world.deploy("v2")
    assert (result.outcome, result.exit_code, world.serving()) == ("reverted", 129, {"v1"})


@pytest.mark.parametrize(
    ("phase", "left"),
    [
        (Phase.BUILD, "nothing but its evidence"),
        (Phase.GATE, "containers of the new version, which no user gets"),
        (Phase.PROMOTE, "users with the old version or the new one"),
    ],
)
def test_the_second_one_says_what_is_left(
    world: World, capfd: pytest.CaptureFixture[str], phase: Phase, left: str
) -> None:
    """And lets the way back come to its end."""

    def again(event: Event) -> None:
        if isinstance(event, Failed):
            send(signal.SIGINT)

    world.hooks.append(again)
    world.on_begin(phase, lambda: send(signal.SIGINT))
    result = world.deploy("v2")
    assert (result.outcome, result.exit_code, world.serving()) == ("reverted", 130, {"v1"})
    said = capfd.readouterr().err
    assert "`deploy notes v2` is being brought to its end; once more ends it here, and lea" in said
    assert left in said
    assert "run the command again" in said


def test_every_way_back_is_told(world: World) -> None:
    """No phase is without words."""
    from orchestrator.release.plan import Order
    from orchestrator.release.undo import tell_left

    told = {tell_left(Order("notes", "v2"), undo) for undo in (*UNDO.values(), None)}
    assert len(told) == len({*UNDO.values()}) + 1
    assert not [event for event in world.events if isinstance(event, Warned)]


def test_the_third_one_ends_it() -> None:
    """Where it stands."""
    code, out, err = run(
        STOPPED + "with held_back('this is left'):\n  press(2)\n  print('on', flush=True)\n"
        "  press(2)\n  print('never')"
    )
    assert (code, out, err) == (-signal.SIGINT, "stopped\non\n", "this is left")


def test_the_first_one_in_what_leaves_something_is_held_back_like_any() -> None:
    """What failed by itself is being undone: the second one says what would be left."""
    code, out, err = run(
        "with held_back('this is left'):\n  press(2)\n  print('on', flush=True)\n"
        "  press(2)\n  print('still on', flush=True)\n  press(2)\n  print('never')"
    )
    assert (code, out, err) == (-signal.SIGINT, "on\nstill on\n", "this is left")


def test_the_second_one_ends_what_leaves_nothing() -> None:
    """Where nothing is being undone, or nothing is said to be left."""
    assert run(STOPPED + "press(2)\nprint('never')")[:2] == (-signal.SIGINT, "stopped\n")
    torn = "with put_off():\n  press(2)\n  print('on', flush=True)\n  press(15)\n  print('never')"
    assert run(torn)[:2] == (-signal.SIGTERM, "on\n")


def test_nothing_is_left_any_more_afterwards() -> None:
    """The warning belongs to what it was said of."""
    code, out, err = run(
        "with held_back('this is left') as noted:\n  press(2)\n"
        "print(len(noted), flush=True)\npress(2)\nprint('never')"
    )
    assert (code, out, err) == (-signal.SIGINT, "1\n", "")


def test_a_command_that_shall_outlive_its_terminal_does() -> None:
    """`nohup` has SIGHUP ignored, and it stays so."""
    before = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    assert run("press(1)\nprint('on')", before=before) == (0, "on\n", "")


def test_a_signal_is_raised_behind_what_it_must_not_tear() -> None:
    """Also one of a closed terminal; handlers are then those of before."""
    with listening():
        handlers = {number: signal.getsignal(number) for number in (2, 15, 1)}
        with held_back("x") as noted:
            pass
        assert not noted
        assert {number: signal.getsignal(number) for number in (2, 15, 1)} == handlers
        with pytest.raises(Interrupted, match="signal 1"), put_off():
            send(signal.SIGHUP)


def test_a_closed_terminal_breaks_no_output() -> None:
    """Nobody reads it: that is no reason to stop in the middle of an undoing."""
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: PTH123  a descriptor, not a path
        stream = open_stream(terminal, color=False)
        stream.print("heard")
        os.close(ours)
        stream.print("not heard")
        assert stream.quiet
        stream.print("nor this")
