"""The real command line, as a process of its own: whatever needs no engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.cli import app, find_command
from orchestrator.commands import COMMANDS, Command
from orchestrator.console import Console
from orchestrator.errors import Interrupted
from orchestrator.settings import Settings, hoist
from tests.fakes.command_line import Run
from tests.fakes.stacks import SHOP, shop_with

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
NAMES = [command.options["name"] for command in COMMANDS]
EVIDENCE = {
    "release": "20300101-120000-web-v1",
    "outcome": "deployed",
    "what": {"service": "web", "version": "v1", "command": "deploy", "previous": None},
    "witness": {"sent": 1, "lost": 0, "longest_gap_ms": 0.0},
    "when": {"ended": "2030-01-01T12:00:00+00:00", "seconds": 1.5},
    "verdict": {"lossless": True, "text": "released"},
    "who": {"operator": "ops"},
}
DASH = "\N{EN DASH}"
HISTORY = ["release", "command", "operator", "outcome", "lost of sent", "took"]
REFUSED = [
    (["deplyo"], "no such command 'deplyo'", "`stackctl --help`"),
    (["--nope"], "no such option: --nope", "`stackctl --help`"),
    (["validate", "--nope"], "no such option: --nope", "`stackctl validate --help`"),
    (["deploy"], "missing argument 'service'", "`stackctl deploy --help`"),
    (["deploy", "web"], "missing option '--version'", "`stackctl deploy --help`"),
    (["logs", "web", "--tail", "some"], "'--tail'", "`stackctl logs --help`"),
    (["evidence", "burn"], "'burn' is not", "`stackctl evidence --help`"),
    (["status"], "`stack.yaml` does not exist", "`--file`"),
    (["validate", "-f", "[red]/no[1].yaml"], "`[red]/no[1].yaml` does not exist", "`--file`"),
    (["evidence", "show"], "no release has left evidence yet", "`stackctl history`"),
    (["evidence", "show", "r1"], "no evidence of `r1`", "`stackctl history`"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a stack.yaml."""
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(SHOP))
    return tmp_path


def test_help_names_all_commands(tmp_path: Path) -> None:
    """`--help`, and no argument at all, list the commands and the exit codes."""
    run = Run(tmp_path, "--help")
    assert run.code == 0
    assert [name for name in NAMES if f"\n  {name} " not in run.out] == []
    assert "130/143 interrupted" in " ".join(run.out.split())
    assert Run(tmp_path).out == run.out


def test_who_types_a_command_does_not_wait_for_the_others() -> None:
    """Only what is typed is read from its function."""
    find_command.cache_clear()
    assert CliRunner().invoke(app, ["schema"]).exit_code == 0
    assert find_command.cache_info().currsize == 1


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_a_command_is_told_in_a_line(tmp_path: Path, command: Command) -> None:
    """Of a usual terminal: `--help` cuts none."""
    line = str(command.run.__doc__).splitlines()[0]

    assert len(line) < 60
    assert line.rstrip(".") in Run(tmp_path, "--help", COLUMNS="80").out


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_help(tmp_path: Path, name: str) -> None:
    """`COMMAND --help` says what it does."""
    run = Run(tmp_path, name, "--help")
    assert run.code == 0
    assert run.out.startswith(f"Usage: stackctl {name} [OPTIONS]")


def test_the_version_is_told(tmp_path: Path) -> None:
    """`--version` prints name and number."""
    assert Run(tmp_path, "--version").out.startswith("stackctl 0.")


@pytest.mark.parametrize(("arguments", "message", "hint"), REFUSED)
def test_a_wrong_command_line_is_refused(
    tmp_path: Path, arguments: list[str], message: str, hint: str
) -> None:
    """One line and a hint on stderr, exit code 2, and the same as one JSON document on stdout."""
    run = Run(tmp_path, *arguments, "--output=json")
    run.assert_refused(2, message, hint)
    assert run.document["outcome"] == "failed"
    assert message in run.document["error"]["message"]
    assert hint in run.document["error"]["hint"]


def test_an_error_leaves_stdout_alone(tmp_path: Path) -> None:
    """Unless JSON was asked for, stdout stays empty."""
    Run(tmp_path, "--output", "xml", "up").assert_refused(2, "'xml' is not one of", "--help")
    run = Run(tmp_path, "validate")
    run.assert_refused(2, "`stack.yaml` does not exist", "`--file`")
    assert run.out == ""


def test_a_bad_stack_is_refused(folder: Path) -> None:
    """All faults are told on stderr, with the hint, and as one JSON document."""
    (folder / "stack.yaml").write_text(yaml.safe_dump(shop_with("gateway", {"gzip": 1})))
    run = Run(folder, "validate", "--output", "json")
    assert run.code == 2
    assert run.err.splitlines() == [
        "error: `stack.yaml` has 2 faults:",
        "  gateway.image: is required",
        "  gateway.gzip: expected true or false, got `1`",
        "",
        "hint: mend the file, then `stackctl validate`",
    ]
    assert run.document["error"]["message"].count("\n") == 2


def test_a_good_stack_is_valid(folder: Path) -> None:
    """`validate` counts what it found; in JSON it names it."""
    run = Run(folder, "validate")
    assert run.out == "stack.yaml is valid: stack shop, 1 service, 1 accessory\n"
    assert (run.code, run.err) == (0, "")
    assert Run(folder, "validate", "--output", "json").document == {
        "valid": True,
        "stack": "shop",
        "services": ["web"],
        "accessories": ["db"],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["--file", "{}", "--no-color", "--output", "json", "validate"],
        ["validate", "--output=json", "--file={}", "--no-color"],
        ["-f{}", "validate", "--output", "json"],
        ["--output", "json", "validate", "-f", "{}"],
    ],
)
def test_global_options_stand_anywhere(folder: Path, arguments: list[str]) -> None:
    """Before or after the command, with `=` or a space."""
    file = folder / "other name.yaml"
    (folder / "stack.yaml").rename(file)
    run = Run(folder.parent, *(argument.format(file) for argument in arguments))
    assert run.document["valid"] is True


def test_a_pipe_breaks_no_line(folder: Path) -> None:
    """Only a terminal has a width."""
    file = folder / f"{'long' * 30}.yaml"
    (folder / "stack.yaml").rename(file)
    assert len(Run(folder, "validate", "-f", str(file)).out.splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "up", "plan", "render", "down", "prune"])
def test_an_engine_out_of_reach_is_told(folder: Path, command: str) -> None:
    """Exit code 1, who did not answer, and what to do; as JSON too."""
    run = Run(folder, command, "--output", "json", DOCKER_HOST="unix:///nonexistent")
    run.assert_refused(1, "no Docker Engine answers at `unix:///nonexistent`", "DOCKER_HOST")
    assert run.document["outcome"] == "failed"


BRANCH = ("`feature/x` cannot be a version", "name it `feature-x`")
EMPTY = ("the version is empty", "variable")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("deploy", "web", "--version", "feature/x"), BRANCH),
        (("bench", "--during-deploy", "web", "--version", "feature/x"), BRANCH),
        (("run", "web", "--version", "", "--", "true"), EMPTY),
        (("plan", "web", "--version", ""), EMPTY),
        (("rollback", "web", "--to", ""), EMPTY),
    ],
)
def test_what_is_no_version_is_refused_before_anything_starts(
    folder: Path, command: tuple[str, ...], told: tuple[str, str]
) -> None:
    """A branch's name, or a pipeline's variable without a value: no engine is asked."""
    Run(folder, *command, DOCKER_HOST="unix:///nonexistent").assert_refused(2, *told)


def test_an_empty_history_is_no_fault(folder: Path) -> None:
    """Before the first release there is nothing to list."""
    assert Run(folder, "history").out == "no release has left evidence yet\n"
    assert Run(folder, "history", "--output", "json").document == {"releases": []}


def keep_evidence(folder: Path, **more: object) -> None:
    """Write what a release leaves behind."""
    evidence = EVIDENCE | more
    place = folder / "reports" / "releases" / str(evidence["release"])
    place.mkdir(parents=True)
    (place / "evidence.json").write_text(json.dumps(evidence))


def test_the_history_is_one_line_a_release(folder: Path) -> None:
    """However long their names; broken evidence is only warned of; a service can be picked."""
    long = f"20300102-120000-{'a' * 30}-{'v' * 100}"
    keep_evidence(folder)
    keep_evidence(folder, release=long, what={"service": "api", "version": "v" * 100})
    keep_evidence(folder, release="20300103")
    (folder / "reports/releases/20300103/evidence.json").write_text("{")
    run = Run(folder, "history")
    assert "warning the evidence of `20300103` is left out" in run.err
    head, newest, oldest = run.out.splitlines()
    assert re.split("  +", head.strip()) == HISTORY
    assert re.split("  +", newest.strip()) == [long, DASH, "ops", "deployed", "0 of 1", "1.5 s"]
    assert oldest.startswith("20300101-120000-web-v1 ")
    (found,) = Run(folder, "history", "web", "--output", "json").document["releases"]
    assert found["release"] == EVIDENCE["release"]
    assert (found["who"], found["witness"]) == (
        {"operator": "ops"},
        {"sent": 1, "lost": 0, "turned_away": 0, "unseen": 0},
    )


def test_the_history_has_no_zero_that_nobody_has_proven(folder: Path) -> None:
    """Where no witness sent anything, there is a dash; evidence without an operator has one too."""
    keep_evidence(folder, witness={"sent": 0, "lost": 0, "longest_gap_ms": 0.0}, who={})
    line = Run(folder, "history").out.splitlines()[1]
    assert re.split("  +", line.strip())[1:] == ["deploy", DASH, "deployed", DASH, "1.5 s"]


@pytest.mark.parametrize("arguments", [["history"], ["validate"], ["history", "--output", "json"]])
def test_a_reader_that_leaves_is_no_fault(folder: Path, arguments: list[str]) -> None:
    """`stackctl … | true` ends with the command's own code and in silence."""
    keep_evidence(folder)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_nobody_needs_to_read_the_progress(folder: Path) -> None:
    """Also where stderr has gone, a failed command ends with its own code."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "status"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "DOCKER_HOST": "unix:///nonexistent"},
        stderr=writing,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("given", "hoisted"),
    [
        ([], []),
        (["up"], ["up"]),
        (["up", "-f", "a"], ["-f", "a", "up"]),
        (["up", "-fa", "--no-color"], ["-fa", "--no-color", "up"]),
        (
            ["logs", "web", "--output=json", "--follow"],
            ["--output=json", "logs", "web", "--follow"],
        ),
        (["deploy", "web", "--version", "1"], ["deploy", "web", "--version", "1"]),
        (["logs", "--", "-f", "a"], ["logs", "--", "-f", "a"]),
        (["up", "--file"], ["up", "--file"]),
    ],
)
def test_global_options_are_moved_to_the_front(given: list[str], hoisted: list[str]) -> None:
    """Only they are, with their values, and nothing behind `--`."""
    assert hoist(given) == hoisted


YES = ("y\n", "Yes\n")
CI = {"GITHUB_ACTIONS": "true", "CI": "true"}


def test_no_command_of_others_reaches_a_ci_system(folder: Path) -> None:
    """Whatever is quoted in an error, in words and in JSON; the tool's own annotation is one."""
    name = "##[stop-commands]t"
    for arguments in (("--file", name), ("logs", name), ("logs", name, "--output", "json")):
        done = Run(folder, *arguments, "validate", **CI)
        assert "##[" not in done.err + done.out
        assert any(line.startswith("::error title=stackctl::") for line in done.err.splitlines())
    assert "##[" in Run(folder, "--file", name, "validate").err


def test_data_is_not_removed_without_a_word(folder: Path) -> None:
    """Where nobody can be asked, `--yes` must say so; with it the engine is the next to answer."""
    away = {"DOCKER_HOST": "unix:///nonexistent"}
    refused = Run(folder, "down", "--volumes", **away)
    refused.assert_refused(2, "`--volumes` removes the data for good", "--volumes --yes`")
    for arguments in (["down", "--volumes", "--yes"], ["down"]):
        Run(folder, *arguments, **away).assert_refused(1, "no Docker Engine answers", "DOCKER_HOST")


@pytest.mark.parametrize("answer", [*YES, "\n", "n\n", "", "yo\n"])
def test_only_a_yes_is_one(capsys: pytest.CaptureFixture[str], answer: str) -> None:
    """An empty line, and the end of what is typed, are none."""
    console = Console(Settings(Path(), "text", color=False))

    assert console.ask("remove shop-data\x1b?", StringIO(answer)) is (answer in YES)
    assert capsys.readouterr().err == r"remove shop-data\x1b? [y/N] "


def follow_until_told() -> Iterator[tuple[str, str]]:
    """Yield a line, and then come to the end that `logs --follow` has."""
    yield "shop-web-blue-1", "starts"
    raise Interrupted(SIGTERM)


def test_who_follows_logs_leaves_by_a_signal(capsys: pytest.CaptureFixture[str]) -> None:
    """That is no error to tell, but the exit code says it; with JSON the document is missing."""
    with Console(Settings(Path(), "text", color=False)) as console:
        assert console.print_followed(follow_until_told()) == 128 + SIGTERM
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("shop-web-blue-1 | starts\n", "")

    with Console(Settings(Path(), "json", color=False)) as console, pytest.raises(Interrupted):
        console.print_followed(follow_until_told())
