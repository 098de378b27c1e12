"""The wheel and the source distribution: what is in them, and what the installed one does."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.e2e.operator import REPOSITORY, Operator
from tests.e2e.package import TAG, Package, forbid_writing, list_parts, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("package")

VERSION = TAG.removeprefix("v")
NAME = f"stackctl-{VERSION}"


def test_the_wheel_holds_the_package_and_nothing_else(package: Package) -> None:
    """Every module and template, the licence, and no file that lies beside them."""
    with zipfile.ZipFile(package.wheel) as wheel:
        names = set(wheel.namelist())
        licence = wheel.read(f"{NAME}.dist-info/licenses/LICENSE")
        metadata = wheel.read(f"{NAME}.dist-info/METADATA").decode().splitlines()
    about = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE")
    expected = {name.replace("templates/", "orchestrator/templates/") for name in list_parts()}

    assert names == expected | {f"{NAME}.dist-info/{name}" for name in about}
    assert licence == (REPOSITORY / "LICENSE").read_bytes()
    assert {"License-Expression: Apache-2.0", "Requires-Python: >=3.11"} <= {*metadata}


def test_the_source_distribution_holds_what_the_wheel_is_built_of(package: Package) -> None:
    """No tests, no services, no reports."""
    with tarfile.open(package.sdist) as sdist:
        names = {member.name for member in sdist if member.isfile()}
    root = ("CHANGELOG.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md")
    written = {"pyproject.toml", "setup.cfg"}
    expected = {*root, *written, *list_parts()}

    assert {name for name in names if ".egg-info/" not in name} == {
        f"{NAME}/{name}" for name in expected
    }


def test_it_works_for_whom_may_only_read_it(program: Path, operator: Operator) -> None:
    """Templates too, compiled each time then; and without a home."""
    operator.write_stack()
    forbid_writing(program.parents[1])  # where the root of other tests has made folders, too
    before = list_files(program)

    assert read(program, operator, "--version") == f"stackctl {VERSION}\n"
    assert "validate" in read(program, operator, "--help")
    assert "stack.yaml is valid" in read(program, operator, "validate")
    assert "upstream app_blue" in read(program, operator, "render")
    assert list_files(program) == before


def read(program: Path, operator: Operator, *arguments: str) -> str:
    """Run it without root's right to write everywhere; return what it printed."""
    mortal = ("setpriv", "--bounding-set=-all") if os.geteuid() == 0 else ()
    return run(
        *mortal,
        program,
        *arguments,
        folder=operator.folder,
        environment={**operator.environment, "HOME": "/nonexistent", "PYTHONPATH": ""},
    )


def list_files(program: Path) -> dict[Path, int]:
    """Return the files of the environment, and when they were written."""
    files = (path for path in program.parents[1].rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files if stat.S_ISREG(path.lstat().st_mode)}


def test_an_app_is_released_with_it(program: Path, operator: Operator) -> None:
    """From the app's own folder: up, a second version without loss, back again, and away."""
    operator.install(program)
    operator.write_stack()

    operator.up()
    assert operator.serving() == "v1"
    deployed = operator.deploy("v2")
    assert deployed.code == 0, deployed.stderr
    assert deployed.document["witness"]["lost"] == 0
    assert operator.serving() == "v2"
    assert (operator.folder / deployed.document["evidence"] / "report.html").exists()
    assert operator.run("rollback", "app").code == 0
    assert operator.serving() == "v1"
    assert operator.run("evidence", "verify").code == 0
    assert operator.run("down").code == 0
    assert operator.containers(running=False) == []


def test_a_shell_completes_its_words(program: Path, operator: Operator) -> None:
    """bash, as somebody has it after `--install-completion`."""
    operator.write_stack()
    home = operator.folder / "home"
    home.mkdir()
    (home / ".bashrc").write_text("# mine\n")
    script = """
        stackctl --install-completion >/dev/null
        . ~/.bashrc
        COMP_WORDS=(stackctl deploy "") COMP_CWORD=2
        _stackctl_completion stackctl
        echo "${COMPREPLY[@]}"
    """
    path = f"{program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ("bash", "--norc", "-c", script),
        cwd=operator.folder,
        env={"HOME": str(home), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("app\n", "")
    assert (home / ".bashrc").read_text().startswith("# mine\n")
