"""`stackctl run` on a real engine: a container of its own for a single command."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.e2e.keyboard import CTRL_C, at_terminal
from tests.e2e.operator import EVERY_BYTE, interrupt, wait_until

if TYPE_CHECKING:
    from tests.e2e.operator import Operator


def runs_of(operator: Operator) -> list[str]:
    """Return the containers of single commands."""
    return [name for name in operator.containers(running=False) if "-app-run-" in name]


def test_a_command_runs_in_a_container_like_a_replica(operator: Operator) -> None:
    """With the variables and volumes of the version that users get, or of another; then it is gone."""
    operator.write_stack({"env": {"WORD": "said"}, "volumes": ["data:/data"], "user": "10001"})
    operator.up()
    kept = operator.run("exec", "app", "--", "sh", "-c", "echo kept >/data/file")
    assert kept.code == 0, kept.stderr
    assert operator.deploy("v2").code == 0
    script = "cat; echo $WORD $(id -u) $(cat /data/file) >&2; exit 7"
    ended = operator.pipe("run", "app", "--", "sh", "-c", script, given=EVERY_BYTE)
    assert (ended.stdout == EVERY_BYTE, ended.stderr) == (True, b"said 10001 kept\n")
    assert ended.returncode == 7
    assert runs_of(operator) == []

    show = ("--", "sh", "-c", "echo $SERVICE_VERSION; ls /data")
    for options, version in (((), "v2"), (("--version", "v1"), "v1")):
        done = operator.run("run", "app", *options, *show)
        assert (done.code, done.stdout.split()) == (0, [version, "file"])

    absent = operator.run("run", "app", "--", "no-such-program")
    assert (absent.code, "no-such-program" in absent.stderr) == (127, True)
    for arguments, told in (
        (("app", "--version", "v9", "--", "true"), "there is no image"),
        (("other", "--", "true"), "there is no service `other`; stack.yaml has `app`"),
    ):
        refused = operator.run("run", *arguments)
        assert refused.code in (1, 2)
        assert told in refused.stderr
    assert runs_of(operator) == []
    assert operator.status()["drift"] == []


def test_a_command_that_is_broken_off_leaves_no_container(operator: Operator) -> None:
    """Ctrl-C is the command's own at a terminal, and else it ends it; what a kill leaves, `prune` removes."""
    operator.write_stack()
    operator.up()
    sleep = ("run", "app", "--", "sh", "-c", "echo here; exec sleep 600")
    with at_terminal(
        (*operator.stackctl, *sleep[:3], "sh"), operator.folder, operator.environment
    ) as keyboard:
        keyboard.await_text("$ ")
        keyboard.type("stty size\n")
        keyboard.await_text("24 80\r\n")
        keyboard.type("trap 'echo was $((2 + 2))' INT; echo is $((1 + 1)); sleep 600\n")
        keyboard.await_text("is 2\r\n")
        wait_until(lambda: "sleep 600" in str(operator.engine.top(runs_of(operator)[0])) or None)
        keyboard.type(CTRL_C)
        keyboard.await_text("was 4\r\n")
        keyboard.type("exit 5\n")
        assert keyboard.process.wait(60) == 5
        assert keyboard.echoes()
    assert runs_of(operator) == []

    with operator.running(*sleep) as asked:
        assert asked.stdout is not None
        assert asked.stdout.readline() == "here\n"
        code, _, _ = interrupt(asked)
        assert code == 130
    assert runs_of(operator) == []

    with operator.running(*sleep) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "here\n"
        killed.send_signal(signal.SIGKILL)
    (left,) = runs_of(operator)
    assert operator.deploy("v2").code == 0  # it is in nobody's way
    assert operator.run("prune").code == 0
    assert runs_of(operator) == [left]  # it runs: somebody may be waiting for it
    operator.engine.kill(left)
    wait_until(lambda: operator.engine.inspect_container(left)["State"]["Running"] or True)
    assert f"removed container {left}" in operator.run("prune").stdout
    assert runs_of(operator) == []
