"""`action.yml`, run as GitHub's runner would: its steps in a shell, with the runner's files."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.operator import PATIENCE, REPOSITORY, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


pytestmark = pytest.mark.xdist_group("action")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a runner's temporary folder: what one run installs there, the next one finds."""
    return tmp_path_factory.mktemp("runner")


class Runner:
    """Runs a composite action's shell steps and keeps what they leave."""

    def __init__(self, operator: Operator, machine: Path, folder: Path) -> None:
        self._operator = operator
        self._machine = machine
        self.summary = folder / "summary"
        self._outputs = folder / "outputs"

    def run(self, **inputs: str) -> tuple[int, str]:
        """Run the steps until one fails; return the last exit code and the log."""
        action: Any = yaml.safe_load((REPOSITORY / "action.yml").read_text())
        given = {name: str(facts.get("default", "")) for name, facts in action["inputs"].items()}
        log = ""
        for step in action["runs"]["steps"]:
            if "run" not in step:
                continue
            code, said = self._shell(step, given | inputs)
            log += said
            if code:
                return code, log
        return 0, log

    @property
    def outputs(self) -> dict[str, str]:
        """Return the outputs of the release step."""
        return dict(line.split("=", 1) for line in self._outputs.read_text().splitlines())

    def _shell(self, step: Mapping[str, Any], inputs: Mapping[str, str]) -> tuple[int, str]:
        """Run one step as `shell: bash` does."""
        environment = {
            name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: inputs[found[1]], value)
            for name, value in step.get("env", {}).items()
        }
        ended = subprocess.run(
            ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            cwd=self._operator.folder,
            env={
                **os.environ,
                **self._operator.environment,
                "PYTHONPATH": "",
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(REPOSITORY),
                "GITHUB_OUTPUT": str(self._outputs),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "RUNNER_TEMP": str(self._machine),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return ended.returncode, ended.stdout


def test_the_action_releases_and_leaves_what_a_step_leaves(
    app: Operator, machine: Path, tmp_path: Path
) -> None:
    """Outputs, a summary, JUnit; and an annotation where the release fails."""
    runner = Runner(app, machine, tmp_path)
    code, log = runner.run(service="app", version="v2")
    assert code == 0, log
    assert app.serving() == "v2"
    assert runner.outputs["outcome"] == "deployed"
    assert (app.folder / runner.outputs["evidence"] / "evidence.json").exists()
    assert "# app v2: released, 0 of " in runner.summary.read_text()
    assert 'classname="stackctl.slo"' in (machine / "stackctl-junit.xml").read_text()
    lines = log.splitlines()
    assert lines.index("::group::deploy app v2") < lines.index("::endgroup::")

    code, log = runner.run(service="app", version="crash1")
    assert code == 1
    assert runner.outputs["outcome"] == "reverted"
    assert app.serving() == "v2"
    assert re.search(r"^::error title=stackctl::.*crashed at start", log, re.MULTILINE)


def test_an_input_is_never_read_as_a_command(app: Operator, machine: Path, tmp_path: Path) -> None:
    """Whatever is written into it."""
    mark = tmp_path / "mark"
    for inputs in (
        {"service": f"$(touch {mark})", "version": "v2"},
        {"service": "app", "version": f"v2; touch {mark}"},
        {"service": "--help", "version": "v2"},
    ):
        code, log = Runner(app, machine, tmp_path).run(**inputs)
        assert code == 2, log
    assert not mark.exists()
