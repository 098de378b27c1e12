"""`stackctl bench`, as far as it comes without an engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.fakes.command_line import Run
from tests.fakes.stacks import shop_with
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

BODY = "export const options = { vus: 1, duration: '1s' };\nexport default function () {}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a stack that does not run, and scripts."""
    listen = f"127.0.0.1:{free_port()}"
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(shop_with("gateway.listen", listen)))
    (tmp_path / "k6").mkdir()
    (tmp_path / "k6" / "test.js").write_text(BODY)
    (tmp_path / "k6" / "bad.js").write_text("export default function () {\n  let = ;\n}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (["nope"], 2, "the script `nope` does not exist", "`bad`, `test`"),
        (["bad"], 2, "k6/bad.js: Line 2:9 Unexpected token", "`k6 inspect`"),
        (["--duration", "soon"], 2, "expected a duration, got `soon`", "`30s`"),
        (["--vus", "0"], 2, "'--vus'", "`stackctl bench --help`"),
        (["--against", "main"], 2, "there is no baseline `main` of `test`", "--save-baseline main"),
        (["--save-baseline", "../x"], 2, "`../x` is no name for a baseline", "letters"),
        (["--during-deploy", "web"], 2, "belong together", "give both"),
        (["--version", "v2"], 2, "belong together", "give both"),
        (["--during-deploy", "web", "--version", "v2", "--runs", "2"], 2, "one run", "`--runs`"),
        (["--alternate", "web", "--against", "v1"], 2, "take turns", "`--against`"),
        ([], 1, "the gateway does not answer at `127.0.0.1:", "`stackctl up`"),
    ],
    ids=[
        "no_script",
        "syntax_error",
        "no_duration",
        "no_users",
        "no_baseline",
        "no_name",
        "no_version",
        "no_service",
        "many_runs",
        "turns_and_a_baseline",
        "no_gateway",
    ],
)
def test_what_cannot_be_is_refused_before_any_load(
    folder: Path, arguments: list[str], code: int, message: str, hint: str
) -> None:
    """One line and a hint, as JSON too, and no report is begun."""
    run = Run(folder, "bench", *arguments, "--output=json", PATH=os.environ["PATH"])
    run.assert_refused(code, message, hint)
    assert run.document["outcome"] == "failed"
    assert not (folder / "reports").exists()
