"""What a shell is told after TAB, by the real command line as a process of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.fakes.command_line import Run
from tests.fakes.stacks import SHOP

if TYPE_CHECKING:
    from pathlib import Path

RELEASES = (
    "20300101-120000-web-v1",
    "20300101-130000-web-api-v7",
    "20300101-140000-web-v1.1-rc",
    "20300101-150000-web-v1",
    "20300101-160000-gone-v3",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a stack of two services, past releases and load tests."""
    web = SHOP["services"]["web"]
    stack = {**SHOP, "services": {"web": web, "web-api": web}}
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(stack))
    for name in (*RELEASES, "$(touch mark)", "20300101-170000-web-v1;ls"):
        (tmp_path / "reports" / "releases" / name).mkdir(parents=True)
    (tmp_path / "k6").mkdir()
    (tmp_path / "k6" / "test.js").write_text("export default function () {}")
    (tmp_path / "k6" / "`ls`.js").write_text("export default function () {}")
    return tmp_path


def complete(folder: Path, *words: str) -> list[str]:
    """Return what bash is offered for the last word."""
    run = Run(
        folder,
        _STACKCTL_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(["stackctl", *words]),
        COMP_CWORD=str(len(words)),
    )
    assert (run.code, run.err) == (0, "")
    return run.out.split()


def test_who_goes_with_another_is_not_offered_for_a_release(folder: Path) -> None:
    """Its logs are."""
    document = yaml.safe_load((folder / "stack.yaml").read_text())
    document["services"]["web"]["with"] = ["web-api"]
    (folder / "stack.yaml").write_text(yaml.safe_dump(document))
    assert complete(folder, "deploy", "") == ["web"]
    assert complete(folder, "logs", "web-") == ["web-api"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ro"], ["rollback"]),
        (["deploy", ""], ["web", "web-api"]),
        (["deploy", "web-"], ["web-api"]),
        (["rollback", ""], ["web", "web-api"]),
        (["plan", ""], ["web", "web-api"]),
        (["history", ""], ["web", "web-api"]),
        (["drill", ""], ["web", "web-api"]),
        (["bench", "--during-deploy", ""], ["web", "web-api"]),
        (["bench", "--alternate", ""], ["web", "web-api"]),
        (["bench", ""], ["test"]),
        (["logs", ""], ["web", "web-api", "db", "gateway"]),
        (["deploy", "web", "--version", ""], ["v1", "v1.1-rc"]),
        (["deploy", "web-api", "--version", ""], ["v7"]),
        (["rollback", "web", "--to", "v1."], ["v1.1-rc"]),
        (["plan", "web", "--version", ""], ["v1", "v1.1-rc"]),
        (["bench", "--during-deploy", "web-api", "--version", ""], ["v7"]),
        (["deploy", "--version", ""], []),
        (["evidence", ""], ["show", "verify"]),
        (["evidence", "show", ""], list(reversed(RELEASES))),
    ],
)
def test_a_word_is_completed(folder: Path, words: list[str], offered: list[str]) -> None:
    """Commands, services, parts, versions that were released, releases and load tests."""
    assert complete(folder, *words) == offered


def test_another_file_is_read_where_it_is_named(folder: Path) -> None:
    """`--file` before the command."""
    (folder / "other.yaml").write_text(yaml.safe_dump({"services": {"shop": {}}}))
    assert complete(folder, "--file", "other.yaml", "deploy", "") == ["shop"]
    elsewhere = f"--releases={folder / 'reports' / 'releases'}"
    assert complete(folder, "evidence", elsewhere, "show", "20300101-16") == [RELEASES[-1]]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "no: [yaml",
        "services: [web]",
        "services: {1: {}, [a]: {}}",
        "just text",
        "a: &a [*a]",
        "\udcff",
        'services: {"$(touch mark)": {}, "`ls`": {}, "a b": {}, "a\\nb": {}, Web: {}, "\\e[2J": {}}',
    ],
)
def test_where_nothing_can_be_read_nothing_is_offered(tmp_path: Path, text: str | None) -> None:
    """No file, no YAML, other YAML, and names that no service has: no word, and no error either."""
    if text is not None:
        (tmp_path / "stack.yaml").write_text(text, errors="surrogateescape")
    for command in ("deploy", "logs", "bench", "history"):
        assert complete(tmp_path, command, "") == []
    assert complete(tmp_path, "evidence", "show", "") == []
    assert complete(tmp_path, "deploy", "web", "--version", "") == []


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe, a folder, a link that leads nowhere; and evidence behind a link."""
    file = tmp_path / "stack.yaml"
    os.mkfifo(file)
    assert complete(tmp_path, "deploy", "") == []
    file.unlink()
    file.mkdir()
    assert complete(tmp_path, "deploy", "") == []
    file.rmdir()
    file.symlink_to("nowhere")
    assert complete(tmp_path, "deploy", "") == []
    (tmp_path / "real" / "releases" / RELEASES[0]).mkdir(parents=True)
    (tmp_path / "reports").symlink_to("real")
    assert complete(tmp_path, "evidence", "show", "") == []


def test_variables_need_no_value(folder: Path) -> None:
    """Nor is `.env` read: names are names without it."""
    text = (folder / "stack.yaml").read_text()
    (folder / "stack.yaml").write_text(f"x-note: ${{UNSET}}\n{text}")
    (folder / ".env").write_text("not = a = file\n'")
    assert complete(folder, "deploy", "") == ["web", "web-api"]


@pytest.mark.parametrize(
    "variables",
    [
        {"_STACKCTL_COMPLETE": "complete_bash"},
        {"_STACKCTL_COMPLETE": "complete_bash", "COMP_WORDS": "stackctl ", "COMP_CWORD": "x"},
        {"_STACKCTL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": 'stackctl deploy "'},
    ],
)
def test_a_shell_that_asks_wrongly_is_not_written_at(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    """A traceback would stand between the prompt and what is typed."""
    assert Run(tmp_path, **variables).err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_script(tmp_path: Path, shell: str) -> None:
    """For who installs it by hand."""
    run = Run(tmp_path, _STACKCTL_COMPLETE=f"source_{shell}", PATH=os.environ["PATH"])
    assert (run.code, run.err) == (0, "")
    assert f"_STACKCTL_COMPLETE=complete_{shell}" in run.out


def test_completion_that_cannot_be_installed_is_told(tmp_path: Path) -> None:
    """A home where nothing can be written."""
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # the shell is, then
    (tmp_path / "file").write_text("")
    run = Run(tmp_path, "--install-completion", "bash", HOME=str(tmp_path / "file"), **named)
    run.assert_refused(1, "completion cannot be installed", "`--show-completion`")
