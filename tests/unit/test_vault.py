"""`secrets_command`: a program is asked for what is missing, and nobody hears what it says."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.clock import SystemClock, poll
from orchestrator.engine.redaction import Redaction
from orchestrator.errors import ConfigurationError
from orchestrator.lifecycle.forecast import forecast
from orchestrator.shell import capture
from orchestrator.stack.copy import write_copy
from orchestrator.stack.load import load_stack
from orchestrator.stack.quantities import Address
from orchestrator.stack.vault import ALLOW_VARIABLE, Vault, read_secrets
from tests.fakes.apps import App
from tests.fakes.stacks import SHOP
from tests.fakes.world import World
from tests.unit.test_shell import runs

if TYPE_CHECKING:
    from pathlib import Path

WORD = "not-to-be-seen"
AROUND = {ALLOW_VARIABLE: "1", "PATH": os.environ["PATH"], "STACKCTL_EVIDENCE_KEY": "key"}


def ask(folder: Path, script: str, around: dict[str, str] | None = None) -> dict[str, str]:
    """Return what a shell script gives as `secrets_command`."""
    return read_secrets(("/bin/sh", "-c", script), folder, AROUND if around is None else around)


def has_ended(pid: int) -> bool | None:
    """Whether a process runs no more; None where it does."""
    return not runs(pid) or None


def test_its_output_is_read_as_an_env_file(tmp_path: Path) -> None:
    """It runs in the folder of stack.yaml, and neither sees nor gives what is stackctl's own."""
    (tmp_path / "file").write_text("A='b # c'\nSTACKCTL_X=no\n")
    script = 'cat file; echo "KEY=${STACKCTL_EVIDENCE_KEY-none}"; echo "D=${A}-d"'
    assert ask(tmp_path, script) == {"A": "b # c", "KEY": "none", "D": "-d"}


def test_nothing_is_run_without_a_word_in_the_environment(tmp_path: Path) -> None:
    """stack.yaml comes with a checkout: it would run what it likes on this machine."""
    for value in ("", "0", "no"):
        with pytest.raises(ConfigurationError, match="nobody has permitted it") as refused:
            ask(tmp_path, "touch ran", {**AROUND, ALLOW_VARIABLE: value})
        assert f"`{ALLOW_VARIABLE}=1`" in str(refused.value.hint)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (f"echo A={WORD}; echo one >&2; echo ' no key\33[31m ' >&2; exit 3", r"code 3: no key\x1b"),
        (f"echo A={WORD}; exit 1", "ended with exit code 1"),
        ("kill -9 $$", "ended with exit code -9"),
        (f"echo 'A={WORD}", "line 1: a quote is not closed"),
        (f"echo =={WORD}", "the output of `secrets_command` line 1: expected `NAME=value`"),
        (r"printf '\377'", "line 1 is not UTF-8 text"),
        ("yes", "it printed more than 1,048,576 bytes"),
    ],
)
def test_a_failure_is_one_line_without_its_output(tmp_path: Path, script: str, told: str) -> None:
    """The exit code and the last line that it complained with."""
    script = script.replace("echo 'A=" + WORD, "printf \"A='" + WORD + '\\n"')
    with pytest.raises(ConfigurationError) as failed:
        ask(tmp_path, script)
    assert told in failed.value.message
    assert "\n" not in failed.value.message
    assert WORD not in f"{failed.value.message}{failed.value.hint}"


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """And its name is not: a variable may have given it."""
    with pytest.raises(ConfigurationError, match="did not do its work: No such file") as failed:
        read_secrets(("./nothing",), tmp_path, AROUND)
    assert "nothing" not in failed.value.message


def test_a_program_that_does_not_end_is_ended_with_its_own(tmp_path: Path) -> None:
    """Be it that it has closed its output, or that another has it."""
    for script in ("sleep 600 & echo $! > pid; wait", "exec >&- 2>&-; echo $$ > pid; sleep 600"):
        with pytest.raises(TimeoutError, match="did not end within"):
            capture(("/bin/sh", "-c", script), AROUND, folder=tmp_path, patience=1.0, most=1000)
        pid = int((tmp_path / "pid").read_text())
        assert poll(partial(has_ended, pid), clock=SystemClock(), every=0.05, within=20)


class Program:
    """A `secrets_command` that counts how often it was run."""

    def __init__(self, **gives: str) -> None:
        self.gives = gives
        self.runs = 0

    def __call__(self) -> dict[str, str]:
        """Run it."""
        self.runs += 1
        return self.gives


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack of a service and a database that want secrets; nothing runs."""
    world = World(tmp_path, accessories={"db": {"image": "mongo:8", "port": 1, "secrets": ["KEY"]}})
    world.host.apps["mongo:8"] = App(port=1)
    world.variables["KEY"] = "known"
    world.notes["secrets"] = ["PASSWORD", "KEY", "MAYBE?"]
    return world


def give(world: World, **values: str) -> Program:
    """Let a program give these."""
    program = Program(**values)
    world.vault = Vault(world.variables, program)
    return program


def test_only_what_is_missing_is_asked_for_and_once(world: World) -> None:
    """The environment and `.env` come first; a release of what needs nothing more asks nobody."""
    program = give(world, PASSWORD=WORD, KEY="x")
    assert world.up().exit_code == 0
    environment = world.host.box("shop-notes-blue-1").spec.environment
    assert environment == {"PASSWORD": WORD, "KEY": "known"}
    assert program.runs == 1
    assert WORD not in repr(world.events)

    world.notes["secrets"] = ["KEY"]
    program = give(world)
    assert world.deploy("v2").outcome == "deployed"
    assert program.runs == 0


def test_looking_asks_nobody(world: World) -> None:
    """`status` does not compare what it cannot know, and compares the rest; `plan` asks."""
    give(world, PASSWORD=WORD)
    world.up()
    program = give(world, PASSWORD=f"{WORD}-2")
    world.variables["KEY"] = "changed"
    assert world.status().drift == ("accessory `db` runs with other settings than stack.yaml has",)
    assert not forecast(world.house, "notes", "v1").services[0].unchanged
    assert program.runs == 1
    program = give(world)
    world.take_down()
    assert program.runs == 0


def test_a_program_that_fails_is_why_a_release_ends(world: World) -> None:
    """Before anything is started; users keep what they have."""

    def fail() -> dict[str, str]:
        raise ConfigurationError("`secrets_command` ended with exit code 1")

    give(world, PASSWORD=WORD)
    world.up()
    world.vault = Vault(world.variables, fail)
    result = world.deploy("v2")
    assert result.error is not None
    assert result.error.message == "`secrets_command` ended with exit code 1"
    assert (result.outcome, world.serving()) == ("reverted", {"v1"})


def test_no_name_of_stackctls_own_is_asked_for() -> None:
    """The key of the evidence is nobody else's to give."""
    program = Program(STACKCTL_EVIDENCE_KEY="key")
    assert Vault({}, program).get("STACKCTL_EVIDENCE_KEY") is None
    assert program.runs == 0


def test_what_a_program_gives_is_taken_out_of_what_an_engine_says() -> None:
    """From the moment on that it is known."""
    redaction = Redaction((), "v1")
    vault = Vault({}, lambda: {"A": WORD}, lambda found: redaction.learn(found.items()))
    assert redaction.apply(WORD) == WORD
    assert vault["A"] == WORD
    assert redaction.apply(f"bad: {WORD}") == "bad: ${A}"


def test_a_drills_copy_finds_files_and_takes_nothing_of_the_original(tmp_path: Path) -> None:
    """Its files lie where they lay; ports on the host and volumes of others are not its own."""
    document: dict[str, Any] = json.loads(json.dumps(SHOP))
    document["services"]["web"] |= {
        "env_file": ["a.env"],
        "files": [{"from": "conf/a", "to": "/etc/a"}],
        "volumes": ["media:/media"],
    }
    document["accessories"]["db"]["publish"] = ["127.0.0.1:5000:27017"]
    document |= {"volumes": {"media": {"external": "real"}}, "secrets_command": ["sops"]}
    file, copy = tmp_path / "stack.yaml", tmp_path / "elsewhere.yaml"
    file.write_text(json.dumps(document))
    doors = (Address("127.0.0.1", 1), Address("127.0.0.1", 2))
    write_copy(file, {}, copy, "shop-drill", doors)
    made = load_stack(copy, {}, outside=True)

    assert made.services["web"].env_file == (str(tmp_path / "a.env"),)
    assert made.services["web"].files[0].source == str(tmp_path / "conf" / "a")
    assert made.accessories["db"].publish == ()
    assert (made.volumes, made.secrets_command) == ({}, None)
