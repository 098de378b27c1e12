"""What docs/getting-started.md has people write and type, with an installed stackctl."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.operator import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.operator import Done, Operator

pytestmark = pytest.mark.xdist_group("package")

PAGE = (REPOSITORY / "docs" / "getting-started.md").read_text()
FILE = re.compile(r"^`([A-Za-z.]+)`:\n\n```[a-z]+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ stackctl (.*)$", re.MULTILINE)
CHANGES = {  # of app.py, before the command that releases them
    "deploy web --version v2": ("morning", "evening"),
    "deploy web --version v3": ("import os\n", 'raise SystemExit("no database")\n'),
}


def typed() -> Iterator[str]:
    """Yield the page's commands in their order."""
    for block in CONSOLE.findall(PAGE):
        yield from COMMAND.findall(block)


def test_the_page_leads_to_a_proven_release(program: Path, operator: Operator) -> None:
    """Command by command, to an undone one and back; each says what the page says."""
    operator.install(program)
    folder = operator.folder
    for name, text in FILE.findall(PAGE):
        based = text.replace("FROM ", f"FROM {operator.environment['IMAGE_PREFIX']}")
        (folder / name).write_text(based)
    app = folder / "app.py"
    done: dict[str, Done] = {}
    for command in typed():
        if command in CHANGES:
            was, becomes = CHANGES[command]
            assert was in app.read_text()
            app.write_text(app.read_text().replace(was, becomes))
        done[command] = operator.run(*command.split())
        if command.startswith("init"):
            move_in(operator)

    codes = {command: one.code for command, one in done.items()}
    assert codes.pop("deploy web --version v3") == 1, codes
    assert {*codes.values()} == {0}, (codes, done)
    serves = "web {} serves at http://127.0.0.1:{}/ ({})"
    assert serves.format("v1", operator.public, "first release") in done["up"].stdout
    for command, version, before in (
        ("deploy web --version v2", "v2", "v1"),
        ("rollback web", "v1", "v2"),
    ):
        told = done[command].stdout
        assert serves.format(version, operator.public, f"was {before}") in told
        assert re.search(r"^0 of [1-9]\d* requests lost", told, re.MULTILINE)
    failed = done["deploy web --version v3"]
    assert "| no database" in failed.stderr
    assert "users still have v2" in failed.stdout
    assert re.search(r"^0 of [1-9]\d* requests lost", failed.stdout, re.MULTILINE)
    assert "4 sound" in done["evidence verify"].stdout
    assert operator.containers(running=False) == []


def move_in(operator: Operator) -> None:
    """Give the stack a name and doors of its own: other tests run beside this one."""
    stack: dict[str, Any] = yaml.safe_load((operator.folder / "stack.yaml").read_text())
    stack["name"] = operator.name
    doors = {"listen": operator.public, "admin": operator.admin}
    stack["gateway"] |= {key: f"127.0.0.1:{port}" for key, port in doors.items()}
    operator.write(stack)
