"""`stackctl exec` on a real engine: with a terminal, without one, and while its color leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.keyboard import CTRL_C, at_terminal
from tests.e2e.operator import EVERY_BYTE, wait_until

if TYPE_CHECKING:
    from tests.e2e.operator import Operator


def test_a_command_without_a_terminal_is_as_in_a_pipe(operator: Operator) -> None:
    """Its input, both of its outputs and its exit code are those of any program here."""
    operator.write_stack()
    operator.up()
    script = "cat; echo complaint >&2; exit 7"
    ended = operator.pipe("exec", "app", "--", "sh", "-c", script, given=EVERY_BYTE)
    assert ended.stdout == EVERY_BYTE
    assert ended.stderr == b"complaint\n"
    assert ended.returncode == 7

    second = operator.run("exec", "app", "--replica", "2", "--user", "0", "--", "id", "-u")
    assert (second.stdout, second.code) == ("0\n", 0)
    log = operator.run("exec", "gateway", "--", "nginx", "-v")
    assert (log.code, log.stdout) == (0, "")
    assert "nginx/" in log.stderr

    for arguments, told in (
        (("app", "--", "no-such-program"), "`no-such-program` cannot be run there"),
        (("app", "--replica", "3", "--", "true"), "replica 3 of `app` does not run; there is 1, 2"),
        (("other", "--", "true"), "there is no `other` in the stack; it has `app`, `gateway`"),
        (("gateway", "--replica", "1", "--", "true"), "`gateway` has no replicas"),
        (("app", "--output", "json", "--", "true"), "no JSON document"),
    ):
        refused = operator.run("exec", *arguments)
        assert refused.code in (1, 2)
        assert told in refused.stderr
        assert refused.stdout == ("" if "json" not in arguments else refused.stdout)


def test_a_command_at_a_terminal_has_one_of_its_own(operator: Operator) -> None:
    """As large as ours, and it gets the keys: Ctrl-C is the shell's, and stackctl goes on."""
    operator.write_stack()
    operator.up()
    command = (*operator.stackctl, "exec", "app", "--", "sh")
    with at_terminal(command, operator.folder, operator.environment) as keyboard:
        keyboard.await_text(f"in {operator.name}-app-blue-1 (v1)")
        keyboard.await_text("$ ")
        keyboard.type("stty size\n")
        keyboard.await_text("24 80\r\n")
        keyboard.resize(33, 101)
        keyboard.type(
            "until [ \"$(stty size)\" = '33 101' ]; do sleep 0.05; done; echo is $((1 + 1))\n"
        )
        keyboard.await_text("is 2\r\n")

        keyboard.type("trap 'echo was $((2 + 2))' INT\nsleep 600\n")
        wait_until(
            lambda: "sleep 600" in str(operator.engine.top(f"{operator.name}-app-blue-1")) or None
        )
        keyboard.type(CTRL_C)
        keyboard.await_text("was 4\r\n")
        keyboard.type("exit 5\n")
        assert keyboard.process.wait(60) == 5
        assert keyboard.echoes()


def test_whoever_sits_in_a_color_that_leaves_is_told(operator: Operator) -> None:
    """The release does not wait for them, and users lose nothing by it."""
    operator.write_stack()
    operator.up()
    script = "echo here; exec sleep 600"
    with operator.running("exec", "app", "--", "sh", "-c", script) as sitting:
        assert sitting.stdout is not None
        assert sitting.stdout.readline() == "here\n"
        deployed = operator.deploy("v2")
        assert deployed.code == 0, deployed.stderr
        assert deployed.document["witness"]["lost"] == 0
        _, told = sitting.communicate(timeout=60)
    assert sitting.returncode == 137
    assert (
        f"`{operator.name}-app-blue-1` was stopped while the command ran; users have v2 now" in told
    )
