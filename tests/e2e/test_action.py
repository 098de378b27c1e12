"""`action.yml` and the GitLab template, run as their runners would: in a shell, with their files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.operator import REPOSITORY, Operator
from tests.e2e.package import TAG, commit, copy_sources
from tests.outputs import read_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


pytestmark = pytest.mark.xdist_group("action")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a runner's temporary folder: what one run installs there, the next one finds."""
    place = tmp_path_factory.mktemp("runner")
    restore_downloads(place / "stackctl-pip")
    return place


def restore_downloads(place: Path) -> None:
    """Put what pip has downloaded here before where a runner's cache brings it back to."""
    told = subprocess.run(
        (sys.executable, "-m", "pip", "cache", "dir"), capture_output=True, text=True, check=True
    )
    kept = Path(told.stdout.strip())
    kept.mkdir(parents=True, exist_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(kept)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a runner fetches of `uses: OWNER/stackctl@v1`: the sources, without git."""
    return copy_sources(tmp_path_factory.mktemp("actions") / "stackctl" / "v1")


class Runner:
    """Runs a composite action's shell steps and keeps what they leave."""

    def __init__(self, operator: Operator, machine: Path, sources: Path, folder: Path) -> None:
        self._operator = operator
        self._machine = machine
        self._sources = sources
        self.summary = folder / "summary"
        self._outputs = folder / "outputs"

    @property
    def action(self) -> Any:
        """Return what action.yml says."""
        return yaml.safe_load((self._sources / "action.yml").read_text())

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Return its steps, those as well that are actions of others."""
        found: list[dict[str, Any]] = self.action["runs"]["steps"]
        return found

    def run(self, **inputs: str) -> tuple[int, str]:
        """Run the steps until one fails; return the last exit code and the log."""
        known = self.action["inputs"]
        given = {name: str(facts.get("default", "")) for name, facts in known.items()}
        log = ""
        for step in self.steps:
            if "run" not in step or self._is_done(step):
                continue
            code, said = self._shell(step, given | inputs)
            log += said
            if code:
                return code, log
        return 0, log

    @property
    def outputs(self) -> dict[str, str]:
        """Return what the steps have put out, the last of each."""
        return read_outputs(self._outputs)

    def _is_done(self, step: Mapping[str, Any]) -> bool:
        """Tell whether another test has installed it here."""
        installed = self._machine / "stackctl" / "bin" / "stackctl"
        return step["name"] == "Install stackctl" and installed.exists()

    def _shell(self, step: Mapping[str, Any], inputs: Mapping[str, str]) -> tuple[int, str]:
        """Run one step as `shell: bash` does."""
        known = {f"inputs.{name}": value for name, value in inputs.items()}
        known["runner.temp"] = str(self._machine)
        environment = {
            name: re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: known[found[1]], value)
            for name, value in step.get("env", {}).items()
        }
        return run_script(
            self._operator,
            step["run"],
            {
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(self._sources),
                "GITHUB_OUTPUT": str(self._outputs),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "RUNNER_TEMP": str(self._machine),
                **environment,
            },
        )


def run_script(operator: Operator, script: str, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a script as runners do, beside the stack's file; return its exit code and the log."""
    ended = subprocess.run(
        ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script),
        cwd=operator.folder,
        env={**os.environ, **operator.environment, "PYTHONPATH": "", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,  # seconds; it installs what it needs
        check=False,
    )
    return ended.returncode, ended.stdout


def test_the_action_releases_and_leaves_what_a_step_leaves(
    app: Operator, machine: Path, sources: Path, tmp_path: Path
) -> None:
    """Outputs, a summary, JUnit; and an annotation where the release fails."""
    runner = Runner(app, machine, sources, tmp_path)
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
    assert "\x1b" not in log  # no line is drawn over another
    assert runner.run(command="up")[0] == 0
    assert app.serving() == "v2"
    assert runner.outputs["outcome"] == "unchanged"
    assert {runner.outputs[name] for name in ("evidence", "head", "folders")} == {""}


def test_the_evidence_of_a_release_is_what_is_uploaded(
    app: Operator, machine: Path, sources: Path, tmp_path: Path
) -> None:
    """Where requests were lost the step fails, says so on the run's page, and keeps the files."""
    runner = Runner(app, machine, sources, tmp_path)
    code, log = runner.run(service="app", version="rude")
    assert code == 6, log
    assert runner.outputs["outcome"] == "deployed"
    assert re.search(
        r"^::error title=stackctl::app rude was released, but \d+ of ", log, re.MULTILINE
    )
    fetch, upload = [step for step in runner.steps if "uses" in step]
    assert fetch["with"]["key"].endswith("${{ steps.lock.outputs.digest }}")
    assert len(runner.outputs["digest"]) == 32
    assert upload["if"] == "always() && steps.release.outputs.folders != ''"
    first, second = upload["with"]["path"].splitlines()
    assert first == "${{ steps.release.outputs.folders }}"
    assert runner.outputs["folders"] == runner.outputs["evidence"]
    assert second == "${{ runner.temp }}/stackctl-junit.xml"
    assert (machine / "stackctl-junit.xml").exists()
    names = {path.name for path in Path(runner.outputs["evidence"]).iterdir()}
    assert {"evidence.json", "report.html", "seal.json", "witness.jsonl"} <= names
    outputs = runner.action["outputs"]
    assert {"outcome", "release", "evidence", "head", "folders"} <= set(outputs)
    for name, facts in outputs.items():
        assert facts["value"] == f"${{{{ steps.release.outputs.{name} }}}}"
        assert name in runner.outputs


@pytest.mark.thorough
def test_the_gitlab_job_releases_and_keeps_what_a_job_keeps(
    app: Operator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In a repository that does not hold stackctl, with the job's variables; its artifacts are there."""
    origin = copy_sources(tmp_path_factory.mktemp("origin"))
    commit(origin)
    job = yaml.safe_load((REPOSITORY / "docs" / "gitlab-ci.yml").read_text())[".stackctl-release"]
    script = "\n".join([*job["before_script"], *job["script"]])
    own = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_PROJECT_DIR": str(app.folder),
        "STACKCTL_REPOSITORY": f"file://{origin}",
        "STACKCTL_REF": TAG,
    }
    release = {"SERVICE": "app", "VERSION": "v2"}
    said = {
        name: value.replace("$CI_PROJECT_DIR", own["CI_PROJECT_DIR"])
        for name, value in job["variables"].items()
    }
    (cache,) = job["cache"]["paths"]
    assert said["PIP_CACHE_DIR"] == str(app.folder / cache)
    restore_downloads(app.folder / cache)
    code, log = run_script(app, script, {**said, **own, **release})

    assert code == 0, log
    assert app.serving() == "v2"
    opened = re.findall(r"section_start:\d+:(\w+)", log)
    assert opened == re.findall(r"section_end:\d+:(\w+)", log)
    assert len(opened) == 1
    assert job["artifacts"]["when"] == "always"
    (folder,) = job["artifacts"]["paths"]
    (evidence,) = (app.folder / folder).glob("*-app-v2/evidence.json")
    assert json.loads(evidence.read_text())["who"]["stackctl"] == TAG.removeprefix("v")
    assert evidence.with_name("seal.json").exists()
    junit = app.folder / job["artifacts"]["reports"]["junit"]
    assert 'classname="stackctl.gate"' in junit.read_text()


@pytest.fixture
def versions(operator: Operator) -> Iterator[list[str]]:
    """Yield three versions of the image that the example is made of: tags that nobody else has."""
    base = operator.environment["IMAGE_PREFIX"] + "nginx"
    found = [f"1.30-{operator.name}-{number}" for number in range(3)]
    for version in found:
        operator.engine.tag(f"{base}:1.30", base, version)
    yield found
    operator.remove_everything()
    for version in found:
        operator.engine.remove_image(f"{base}:{version}")


def test_another_repository_is_released_from_fresh_checkouts(
    operator: Operator, machine: Path, sources: Path, tmp_path: Path, versions: list[str]
) -> None:
    """The first one brings it up. Each checkout is thrown away: the evidence is one chain all the same."""
    kept, key = tmp_path / "kept", tmp_path / "key"
    key.write_text("of the runner")
    operator.environment["STACKCTL_EVIDENCE_KEY_FILE"] = str(key)
    for version in versions:
        operator.folder = tmp_path / version
        check_out(operator)
        runner = Runner(operator, machine, sources, operator.folder)
        code, log = runner.run(service="site", version=version, reports=str(kept))
        assert code == 0, log
        assert runner.outputs["outcome"] == "deployed"
        assert f"deploy site {version} on " in log
        assert ("the stack is brought up with this release" in log) is (version == versions[0])
        assert not (operator.folder / "reports").exists()

    verify = ("--reports", str(kept), "evidence", "verify", "--strict", "--output", "json")
    done = operator.run(*verify, "--expect-head", runner.outputs["head"])
    assert done.code == 0, done.stderr
    assert [found["state"] for found in done.document["releases"]] == ["sound"] * 3
    newest = Path(runner.outputs["evidence"])
    assert json.loads((newest / "seal.json").read_text())["number"] == 3
    assert json.loads((newest / "evidence.json").read_text())["witness"]["lost"] == 0
    shutil.rmtree(newest)
    assert operator.run(*verify, "--expect-head", runner.outputs["head"]).code == 1


def check_out(operator: Operator) -> None:
    """Check out a repository that holds an app and its stack.yaml, and nothing of stackctl."""
    shutil.copytree(REPOSITORY / "examples" / "site", operator.folder)
    done = operator.run("init", "--from", "compose.yaml")
    assert done.code == 0, done.stderr
    stack = operator.read()
    stack["name"] = operator.name
    stack["gateway"] |= {
        "listen": f"127.0.0.1:{operator.public}",
        "admin": f"127.0.0.1:{operator.admin}",
        "drain_timeout": "2s",
    }
    operator.write(stack)


def test_an_input_is_never_read_as_a_command(
    app: Operator, machine: Path, sources: Path, tmp_path: Path
) -> None:
    """Whatever is written into it; a branch's name is no version."""
    mark = tmp_path / "mark"
    for inputs in (
        {"service": f"$(touch {mark})", "version": "v2"},
        {"service": "app", "version": f"v2; touch {mark}"},
        {"service": "--help", "version": "v2"},
        {"command": f"up; touch {mark}"},
        {"service": "app", "version": "feature/x"},
    ):
        code, log = Runner(app, machine, sources, tmp_path).run(**inputs)
        assert code == 2, log
    assert "name it `feature-x`" in log
    assert not mark.exists()
    assert app.serving() == "v1"
